"""Dumps of mem0 and OpenMemory: what `get_all` returns, saved as JSON.

`{"results": [{"id", "memory", "user_id", "created_at", …}]}`, that list alone, or OpenMemory's
`{"memories": [{"id", "content", …}]}`. Each memory is one source, so that a later dump updates it.
Memories that were deleted or archived are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from lmort_memory.importers.format import Format, LeftOut
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.importers.json_walk import first_parts, parts
from lmort_memory.importers.times import from_epoch, from_iso
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

_OPENED = ("", ".results", ".memories")
_ELEMENTS = ("[]", ".results[]", ".memories[]")
_TELLING = {"hash", "user_id", "agent_id", "run_id", "created_at", "updated_at", "state"}
_KEPT = ("user_id", "agent_id", "run_id", "actor_id")


def _matches(path: Path) -> bool:
    found = [object_of(v) for name, v in first_parts(path, *_OPENED) if name in _ELEMENTS]
    return bool(found) and all(_is_memory(entry) for entry in found)


def _is_memory(entry: Object) -> bool:
    said = isinstance(entry.get("memory"), str) or isinstance(entry.get("content"), str)
    foreign = {"role", "author", "sender"} & entry.keys()
    return "id" in entry and said and not foreign and bool(_TELLING & entry.keys())


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    for name, value in parts(path, *_OPENED, damaged=left_out.fail):
        entry = object_of(value)
        if name not in _ELEMENTS:
            continue
        state = text_of(entry, "state") or "active"
        text = (text_of(entry, "memory") or text_of(entry, "content")).strip()
        if state in ("deleted", "archived"):
            left_out[f"{state} memory"] += 1
        elif not _is_memory(entry) or not text:
            left_out["entry that is not a memory"] += 1
        else:
            turn = _turn(entry, text)
            changed = _time(entry.get("updated_at")) or turn.created_at
            if turn.source is not None and changed is not None:
                left_out.dates[turn.source.uri] = changed
            yield turn


def _turn(entry: Object, text: str) -> Turn:
    metadata: dict[str, JsonValue] = {**object_of(entry.get("metadata")), "format": "mem0"}
    for key in _KEPT:
        if value := text_of(entry, key):
            metadata[key] = value
    if categories := [item for item in items_of(entry, "categories") if isinstance(item, str)]:
        metadata["tags"] = list[JsonValue](categories)
    return Turn(
        text=text,
        role="note",
        created_at=_time(entry.get("created_at")),
        metadata=metadata,
        source=Source(f"mem0:{entry['id']}"),
    )


def _time(value: JsonValue) -> datetime | None:
    return from_iso(value) or from_epoch(value)


FORMAT = Format(
    name="mem0",
    suffixes=(".json",),
    matches=_matches,
    read=_read,
    about="mem0 and OpenMemory: what get_all returns, as JSON",
)
