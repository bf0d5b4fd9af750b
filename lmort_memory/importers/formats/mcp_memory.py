"""The knowledge graph of MCP's reference memory server: its memory.jsonl, or read_graph's answer.

An observation becomes a note of its own, under the name of what it is about; a relation becomes a
sentence. An entity without observations says what kind of thing it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lmort_memory.importers.format import Format, LeftOut, file_uri
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.importers.json_lines import first_objects, line_objects
from lmort_memory.importers.json_walk import first_parts, parts
from lmort_memory.importers.times import modified_at
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

_ENTITY = {"name", "entityType", "observations"}
_RELATION = {"from", "to", "relationType"}
_OPENED = ("", ".entities", ".relations")
_ELEMENTS = (".entities[]", ".relations[]")


def _matches(path: Path) -> bool:
    lines = first_objects(path)
    if lines and all(_is_part(entry) and "type" in entry for entry in lines):
        return True
    found = [object_of(v) for name, v in first_parts(path, *_OPENED) if name in _ELEMENTS]
    return bool(found) and all(_is_part(entry) for entry in found)


def _is_part(entry: Object) -> bool:
    return entry.keys() >= _ENTITY or entry.keys() >= _RELATION


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    lines = first_objects(path)
    if lines and _is_part(lines[0]):
        entries = (entry for _, entry in line_objects(path, left_out.fail))
    else:
        entries = (
            object_of(v)
            for name, v in parts(path, *_OPENED, damaged=left_out.fail)
            if name in _ELEMENTS
        )
    for entry in entries:
        if entry.keys() >= _ENTITY:
            yield from _entity(entry, path)
        elif entry.keys() >= _RELATION:
            yield _relation(entry, path)
        else:
            left_out["entry that is neither entity nor relation"] += 1


def _entity(entry: Object, path: Path) -> Iterator[Turn]:
    name, kind = text_of(entry, "name"), text_of(entry, "entityType")
    metadata: dict[str, JsonValue] = {"title": name, "entity_type": kind}
    said = [_observation(item) for item in items_of(entry, "observations")]
    texts = [f"{_words(name)}: {text}" for text in said if text]
    for text in texts or [f"{_words(name)} is a {_words(kind)}"]:
        yield _turn(text, metadata, path)


def _relation(entry: Object, path: Path) -> Turn:
    one, verb, other = (text_of(entry, key) for key in ("from", "relationType", "to"))
    metadata: dict[str, JsonValue] = {"title": one, "relation": verb, "to": other}
    return _turn(f"{_words(one)} {_words(verb)} {_words(other)}", metadata, path)


def _observation(value: JsonValue) -> str:
    """Return an observation's text; some servers keep an object with more than that."""
    if isinstance(value, str):
        return value.strip()
    return (text_of(object_of(value), "content") or text_of(object_of(value), "text")).strip()


def _words(name: str) -> str:
    """Write a name such as `works_at` in words."""
    return name.replace("_", " ").strip()


def _turn(text: str, metadata: dict[str, JsonValue], path: Path) -> Turn:
    return Turn(
        text=text,
        role="note",
        created_at=modified_at(path),
        metadata={"format": "mcp-memory", **metadata},
        source=Source(file_uri(path)),
    )


FORMAT = Format(
    name="mcp-memory",
    suffixes=(".jsonl", ".json"),
    matches=_matches,
    read=_read,
    about="the knowledge graph of MCP's reference memory server",
)
