"""Gemini CLI sessions: ~/.gemini/tmp/<project>/chats/session-*.json, and .jsonl of newer versions.

A session is one object with a list of messages, or, as lines, a head followed by messages, of which
a later one with the same id takes the place of an earlier one. Thoughts, tool calls, and lines of
the program are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lmort_memory.importers.format import Format, LeftOut
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.importers.json_lines import first_objects, line_objects
from lmort_memory.importers.json_walk import first_parts, parts
from lmort_memory.importers.times import from_iso
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

_ROLES = {"user": "user", "gemini": "assistant", "model": "assistant"}
_OPENED = ("", ".messages")


def _matches(path: Path) -> bool:
    if path.suffix.lower() == ".jsonl":
        return any(entry.keys() >= {"sessionId", "projectHash"} for entry in first_objects(path))
    names = {name for name, _ in first_parts(path, *_OPENED)}
    return {".sessionId", ".projectHash"} <= names


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    head: Object = {}
    messages: dict[str, Object] = {}
    for entry in _entries(path, head, left_out):
        if changed := object_of(entry.get("$set")):
            head.update(changed)
        elif "sessionId" in entry:
            head.update(entry)
        elif "$rewindTo" in entry:
            _rewind(messages, text_of(entry, "$rewindTo"), left_out)
        elif "type" in entry:
            messages[text_of(entry, "id") or f"#{len(messages)}"] = entry
    name = text_of(head, "sessionId") or path.stem
    metadata: dict[str, JsonValue] = {"format": "gemini-cli"}
    if summary := text_of(head, "summary").strip():
        metadata["title"] = summary
    began_at = from_iso(head.get("startTime"))
    yield from _turns(
        messages.values(), _Session(f"gemini-cli:{name}", began_at, metadata), left_out
    )


def _entries(path: Path, head: Object, left_out: LeftOut) -> Iterator[Object]:
    """Yield the messages of either form; fields of the one object's head go into `head`."""
    if path.suffix.lower() == ".jsonl":
        for _, entry in line_objects(path, left_out.fail, tail_may_be_cut=True):
            yield entry
        return
    for name, value in parts(path, *_OPENED, damaged=left_out.fail):
        if name == ".messages[]":
            yield object_of(value)
        else:
            head[name.removeprefix(".")] = value


def _rewind(messages: dict[str, Object], to: str, left_out: LeftOut) -> None:
    """Drop the message that the user went back to, and what followed it."""
    names = list(messages)
    for name in names[names.index(to) if to in messages else len(names) :]:
        del messages[name]
        left_out["message that was taken back"] += 1


@dataclass(frozen=True, slots=True)
class _Session:
    uri: str
    began_at: datetime | None
    metadata: dict[str, JsonValue]


def _turns(messages: Iterable[Object], session: _Session, left_out: LeftOut) -> Iterator[Turn]:
    said_at = session.began_at
    for message in messages:
        kind = text_of(message, "type")
        left_out["thought"] += len(items_of(message, "thoughts"))
        left_out["tool call"] += len(items_of(message, "toolCalls"))
        text = _text(message.get("displayContent")) or _text(message.get("content"))
        if kind not in _ROLES:
            left_out[f"{kind or 'nameless'} message"] += 1
        elif text:
            said_at = from_iso(message.get("timestamp")) or said_at
            found = {**session.metadata}
            if model := text_of(message, "model"):
                found["model"] = model
            yield Turn(
                text=text,
                role=_ROLES[kind],
                session=session.uri,
                created_at=said_at,
                metadata=found,
                source=Source(session.uri),
            )


def _text(content: JsonValue) -> str:
    """Return the text of a string or of a list of parts."""
    if isinstance(content, str):
        return content.strip()
    blocks = content if isinstance(content, list) else [content]
    said = [
        block if isinstance(block, str) else text_of(object_of(block), "text")
        for block in blocks
        if not object_of(block).get("thought")
    ]
    return "\n".join(part.strip() for part in said if part.strip())


FORMAT = Format(
    name="gemini-cli",
    suffixes=(".json", ".jsonl"),
    matches=_matches,
    read=_read,
    about="Gemini CLI sessions: session-*.json and .jsonl below ~/.gemini/tmp",
)
