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
