"""Grammars of JSON schemas that anyone may send."""

import pytest

from lmort_memory.backbone.grammar import json_grammar, new_grammar_sampler
from lmort_memory.errors import BackboneError


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "maxLength": 20_000},
        {"type": "string", "minLength": 1_000_000_000},
        {"type": "array", "items": {"type": "string", "maxLength": 1e9}},
        {"type": "string", "pattern": "^a{0,1000000}$"},
        {"type": "string", "pattern": "^" + "a{1000}" * 30 + "$"},
    ],
)
def test_a_schema_that_repeats_without_end_is_refused(schema):
    """llama.cpp writes repetitions out and dies of it; the number found is in the message."""
    with pytest.raises(ValueError, match="times; a JSON schema may say 1,000"):
        json_grammar(schema)


def test_repetitions_that_people_write_are_taken():
    """A thousand characters or entries are not a bomb."""
    for schema in ({"type": "string", "maxLength": 1000}, {"type": "array", "maxItems": 1000}):
        assert "root ::=" in json_grammar({**schema, "items": {"type": "string"}})


@pytest.mark.parametrize("schema", [{"enum": []}, {"anyOf": []}])
def test_a_schema_that_nothing_satisfies_is_refused(schema):
    """The converter takes it, and llama.cpp does not: that is known before a reply begins."""
    with pytest.raises(ValueError, match="makes no grammar"):
        json_grammar(schema)


def test_a_grammar_that_nests_too_deep_is_refused():
    """llama.cpp's parser would end the process; brackets in texts and classes do not count."""
    with pytest.raises(BackboneError, match="nests 30,000 brackets"):
        new_grammar_sampler("root ::= " + "(" * 30_000 + '"a"' + ")" * 30_000, None)
    new_grammar_sampler('root ::= "' + "(" * 2000 + '" [(]', None)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('a "quoted" word', r'root ::= "\"a \\\"quoted\\\" word\""'),
        ("line\nend\\", r'root ::= "\"line\\nend\\\\\""'),
        ("🙂 да", 'root ::= "\\"🙂 да\\""'),
    ],
)
def test_values_are_written_as_they_are(value, written):
    """Quotes, line ends and emoji of a schema's values can be generated, as JSON."""
    assert json_grammar({"enum": [value]}).splitlines()[0] == written


def _rules(schema):
    """Return the rules of a schema's grammar by their names."""
    return dict(line.split(" ::= ", 1) for line in json_grammar(schema).splitlines())


@pytest.mark.parametrize("anything", [True, {}, {"title": "A", "description": "whatever fits"}])
def test_a_field_of_any_type_takes_any_value(anything):
    """A field that is only described, and the entries of a bare list, may be anything."""
    rules = _rules({"type": "object", "properties": {"a": anything}, "required": ["a"]})
    assert rules["a-kv"].endswith(" value")
    assert rules["value"].startswith("object | array | string")
    listed = _rules({"type": "array", "items": anything})
    assert listed["root"] == '"[" space (value ("," space value)*)? "]" space'
    more = _rules({"properties": {"a": {"type": "null"}}, "additionalProperties": True})
    assert more["additional-kv"].endswith(" value")


def test_what_stands_beside_a_list_of_types_counts():
    """An optional enumeration, list or object is not just any string, list or object."""
    optional = _rules({"type": ["string", "null"], "enum": ["red", None]})
    assert optional["root"] == r'"\"red\"" | "null"'
    listed = _rules({"type": ["array", "null"], "items": {"type": "boolean"}})
    assert "(boolean" in listed["alternative-0"]
    assert _rules({"type": ["string", "null"]})["root"] == "string | null"


def test_one_schema_in_all_of_is_that_schema():
    """Libraries wrap a reference so to describe it; an empty object would come of it."""
    colour = {"enum": ["red", "green"]}
    field = {"allOf": [{"$ref": "#/$defs/Colour"}], "description": "of the hive", "default": "red"}
    rules = _rules({"properties": {"c": field}, "$defs": {"Colour": colour}})
    assert rules["c"] == "ref-Colour"
    assert rules["ref-Colour"] == r'"\"red\"" | "\"green\""'


@pytest.mark.parametrize(
    "schema",
    [
        {
            "$ref": "#/$defs/Node",
            "$defs": {
                "Node": {
                    "type": "object",
                    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
                }
            },
        },
        {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}},
        {"type": ["object", "null"], "properties": {"next": {"$ref": "#"}}},
    ],
)
def test_a_schema_may_hold_itself(schema):
    """A class that refers to itself: the whole schema is a reference, or is referred to."""
    rules = _rules(schema)
    assert any("null" in rule for rule in rules.values())
    assert any("next-kv" in rule for rule in rules.values())


def test_a_schema_that_is_nothing_but_itself_is_refused():
    """It would never end."""
    with pytest.raises(ValueError, match="left recursion"):
        json_grammar({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})
