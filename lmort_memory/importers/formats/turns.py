"""JSONL: one object a line, either a turn of anybody's or a record that `lmort-mem export` wrote.

A turn needs `text` and may have role, session, created_at, expires_at and metadata; its source is
the file. A record has every field, and comes back as it was, its scope and source included. A field
that neither has is an error and not lost in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from lmort_memory.importers.format import Format, LeftOut, file_uri
from lmort_memory.importers.json_fields import Object, text_of
from lmort_memory.importers.json_lines import first_objects, line_objects
from lmort_memory.importers.times import from_iso
from lmort_memory.types import Source, Turn

__all__ = ["EXPORT", "FORMAT"]

_STRINGS = ("text", "role", "session", "created_at", "expires_at")
_FIELDS = {*_STRINGS, "metadata"}
_OF_A_LEDGER = {"ledger", "record_ids", "payload"}  # which records a reply was given
_OF_A_RECORD = {*_FIELDS, "id", "scope", "updated_at", "source", "origin"}


def _is_turns(path: Path) -> bool:
    """Whether most of the first lines are turns: the few that are not are told when it is read."""
    objects = first_objects(path)
    return sum(map(_is_turn, objects)) * 2 > len(objects)


def _is_turn(entry: Object) -> bool:
    return isinstance(entry.get("text"), str) and entry.keys() <= _FIELDS


def _is_export(path: Path) -> bool:
    objects = first_objects(path)
    return bool(objects) and all(
        entry.keys() >= _OF_A_RECORD or entry.keys() >= _OF_A_LEDGER for entry in objects
    )


def _read_turns(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    for number, entry in line_objects(path, left_out.fail):
        if isinstance(entry.get("text"), str) and not text_of(entry, "text").strip():
            left_out["turn without text"] += 1
            continue
        try:
            if unknown := sorted(entry.keys() - _FIELDS):
                raise ValueError(f"no turn has the field {unknown[0]!r}")
            yield _turn(entry, path)
        except (ValueError, RecursionError) as error:
            left_out.fail(f"line {number} is no turn: {error}")


def _read_export(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    """Yield what the records say; `Memory.restore` is what brings them back whole."""
    for number, entry in line_objects(path, left_out.fail):
        if entry.keys() >= _OF_A_LEDGER:
            continue
        try:
            yield _turn(entry, path)
        except (ValueError, RecursionError) as error:
            left_out.fail(f"line {number} is no record: {error}")


def _turn(entry: Object, path: Path) -> Turn:
    for name in _STRINGS:
        if not isinstance(entry.get(name), str | None):
            raise ValueError(f"{name} is {entry[name]!r}, not a string")
    metadata = entry.get("metadata")
    if not isinstance(metadata, dict | None):
        raise ValueError(f"metadata is {metadata!r}, not an object")
    return Turn(
        text=text_of(entry, "text"),
        role=text_of(entry, "role") or "user",
        session=text_of(entry, "session") or None,
        created_at=_time(entry, "created_at"),
        expires_at=_time(entry, "expires_at"),
        metadata=metadata or {},
        source=Source(file_uri(path)),
    )


def _time(entry: Object, name: str) -> datetime | None:
    value = text_of(entry, name)
    when = from_iso(value)
    if value and when is None:
        raise ValueError(f"{name} is {value!r}, not a time in ISO 8601")
    return when


_SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")

FORMAT = Format(
    name="turns",
    suffixes=_SUFFIXES,
    matches=_is_turns,
    read=_read_turns,
    about="JSONL of turns",
)
EXPORT = Format(
    name="export",
    suffixes=_SUFFIXES,
    matches=_is_export,
    read=_read_export,
    restores=True,
    about="what `lmort-mem export` wrote, .gz too",
)
