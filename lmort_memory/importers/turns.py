"""JSONL of turns: one object a line with the fields of `Turn`; what `lmort-mem export` writes.

Only `text` is needed. A field that no turn has is an error and not lost in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from lmort_memory.errors import ImportFileError
from lmort_memory.importers._format import Format, LeftOut, file_uri
from lmort_memory.importers._json_fields import Object, text_of
from lmort_memory.importers._json_lines import first_objects, line_objects
from lmort_memory.importers._times import from_iso
from lmort_memory.types import DEFAULT_SCOPE, JsonValue, Source, Turn

__all__ = ["FORMAT"]

_STRINGS = ("text", "role", "scope", "session", "created_at", "expires_at")
_FIELDS = {*_STRINGS, "id", "updated_at", "metadata", "source", "origin", "vectors"}


def _matches(path: Path) -> bool:
    objects = first_objects(path)
    return bool(objects) and all(
        isinstance(entry.get("text"), str) and entry.keys() <= _FIELDS for entry in objects
    )


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    for number, entry in line_objects(path):
        if isinstance(entry.get("text"), str) and not text_of(entry, "text").strip():
            left_out["turn without text"] += 1
            continue
        try:
            yield _turn(entry, path)
        except ValueError as error:
            raise ImportFileError(
                f"{path}, line {number} is no turn: {error} — mend or remove that line",
                path=str(path),
            ) from error


def _turn(entry: Object, path: Path) -> Turn:
    if unknown := sorted(entry.keys() - _FIELDS):
        raise ValueError(f"no turn has the field {unknown[0]!r}")
    for name in _STRINGS:
        if not isinstance(entry.get(name), str | None):
            raise ValueError(f"{name} is {entry[name]!r}, not a string")
    metadata = entry.get("metadata")
    if not isinstance(metadata, dict | None):
        raise ValueError(f"metadata is {metadata!r}, not an object")
    return Turn(
        text=text_of(entry, "text"),
        role=text_of(entry, "role") or "user",
        scope=text_of(entry, "scope") or DEFAULT_SCOPE,
        session=text_of(entry, "session") or None,
        created_at=_time(entry, "created_at"),
        expires_at=_time(entry, "expires_at"),
        metadata=metadata or {},
        source=_source(entry["source"]) if "source" in entry else Source(file_uri(path)),
    )


def _time(entry: Object, name: str) -> datetime | None:
    value = text_of(entry, name)
    when = from_iso(value)
    if value and when is None:
        raise ValueError(f"{name} is {value!r}, not a time in ISO 8601")
    return when


def _source(value: JsonValue) -> Source | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not text_of(value, "uri"):
        raise ValueError(f"source is {value!r}, not an object with a uri")
    return Source(text_of(value, "uri"), _index(value, "start"), _index(value, "end"))


def _index(value: Object, key: str) -> int | None:
    index = value.get(key)
    if isinstance(index, bool) or not isinstance(index, int | None):
        raise ValueError(f"the source's {key} is {index!r}, not a number of characters")
    return index


FORMAT = Format(
    name="turns",
    suffixes=(".jsonl", ".ndjson"),
    matches=_matches,
    read=_read,
    restores=True,
)
