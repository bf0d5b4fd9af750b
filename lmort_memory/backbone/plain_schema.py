"""JSON schemas in the words that llama.cpp's converter knows.

It has no word for "any value", reads nothing beside a list of types, makes an empty object of
`allOf` around a single schema, and knows no reference to the whole. Libraries write all of these:
a field of any type, an optional enumeration, a class that holds itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeAlias

__all__ = ["moved", "plain_schema"]

_Schema: TypeAlias = dict[str, Any]

_ANYTHING: _Schema = {"type": "value"}  # the converter's own rule for it
_NAMED = ("properties", "$defs", "definitions")  # each holds schemas by name
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SAYING = {  # without one of these, a schema only describes
    *("type", "$ref", "anyOf", "oneOf", "allOf", "const", "enum", "properties"),
    *("additionalProperties", "items", "prefixItems", "pattern", "format"),
}
_DEFINITIONS = ("$defs", "definitions")
_WHOLE = "the-whole-schema"


def plain_schema(schema: Mapping[str, Any]) -> _Schema:
    """Return a schema that means the same to the converter as the given one to its author.

    Args:
        schema: As a client sent it; it is not changed.
    """
    plain = _members_plain(dict(schema)) if schema.keys() & _SAYING else {}
    if "$ref" not in plain and not any(one == "#" for one in _references(plain)):
        return plain
    # The converter looks for definitions beside no reference.
    whole = _WHOLE
    while whole in plain:
        whole += "-"
    for one in _schemas_in(plain):
        if one.get("$ref") == "#":
            one["$ref"] = f"#/{whole}"
    around = {key: plain[key] for key in plain.keys() - {"$ref", "anyOf", "oneOf"}}
    return {**around, "anyOf": [{"$ref": f"#/{whole}"}], whole: plain}


def moved(schema: Mapping[str, Any], to: str) -> _Schema:
    """Return a schema whose references still hold when it stands elsewhere in a document.

    Args:
        schema: A document of its own; it is not changed.
        to: Where it will stand, such as "#/$defs/one".
    """
    copy: _Schema = deepcopy(dict(schema))
    for one in _schemas_in(copy):
        reference = one.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            one["$ref"] = to + reference[1:]
    return copy


def _plain(schema: Any) -> Any:  # noqa: ANN401 — any JSON
    """Return a schema inside another one, in the converter's words."""
    if schema is True:
        return dict(_ANYTHING)
    if not isinstance(schema, Mapping):
        return schema
    if not schema.keys() & _SAYING:
        return dict(_ANYTHING)
    return _members_plain(dict(schema))


def _members_plain(schema: _Schema) -> _Schema:
    for key in _NAMED:
        if isinstance(named := schema.get(key), Mapping):
            schema[key] = {name: _plain(one) for name, one in named.items()}
    for key in _LISTED:
        if isinstance(listed := schema.get(key), list):
            schema[key] = [_plain(one) for one in listed]
    if isinstance(items := schema.get("items"), list):
        schema["items"] = [_plain(one) for one in items]
    elif "items" in schema:
        schema["items"] = _plain(items)
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping) or (more is True and "properties" in schema):
        schema["additionalProperties"] = _plain(more)
    return _of_one_type(_without_all_of(schema))


def _without_all_of(schema: _Schema) -> _Schema:
    """Take a single schema out of its `allOf`; what stands beside a reference only describes it."""
    listed = schema.get("allOf")
    if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], Mapping):
        return schema
    others = {key: value for key, value in schema.items() if key != "allOf"}
    if "$ref" in listed[0] and "properties" in others:  # it adds to what it refers to
        return schema
    return {**others, **listed[0]}


def _of_one_type(schema: _Schema) -> _Schema:
    """Spread a list of types, so that what stands beside it is read for each of them."""
    types = schema.get("type")
    if not isinstance(types, list):
        return schema
    others = {key: value for key, value in schema.items() if key != "type"}
    if "const" in others or "enum" in others:  # which say all
        return others
    named = {key: others.pop(key) for key in _DEFINITIONS if key in others}
    return {**named, "anyOf": [{**others, "type": one} for one in types]}


def _references(schema: object) -> Iterator[object]:
    for one in _schemas_in(schema):
        yield one.get("$ref")


def _schemas_in(value: object) -> Iterator[_Schema]:
    """Yield every object in a schema, without recursion."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
