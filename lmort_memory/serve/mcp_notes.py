"""What the MCP tools give back: records, cut to a budget of the calling model's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from lmort_memory.types import Hit, Record

_BYTES_PER_TOKEN = 4  # on the safe side for Latin scripts and for the others
_TEXT_TOKENS = 200  # of one record in a list
_ASKED_TOKENS = 50  # of the question before it
PAGE_TOKENS = 1500  # of a whole page


class Note(BaseModel):
    """A record, cut to what a page has room for."""

    id: str = Field(description="Pass it to memory_get, memory_update or memory_forget.")
    text: str
    truncated: bool = Field(description="Whether text is only a part; memory_get has it all.")
    role: str = Field(description="Who said it: user, assistant, note.")
    date: str = Field(description="When it was said, ISO 8601.")
    session: str | None
    source: str | None = Field(description="The file it came from.")
    score: float | None = Field(default=None, description="From 0 to 1, higher is better.")
    asked: str | None = Field(default=None, description="The question that it answers.")


class Found(BaseModel):
    """What was found, best first."""

    notes: list[Note]
    likelihood: float = Field(description="Estimate, from 0 to 1, that the answer is stored.")
    next_cursor: str | None = Field(description="Pass it as cursor for more; null at the end.")


class Whole(BaseModel):
    """A record and the turns around it."""

    note: Note
    metadata: dict[str, Any]
    before: list[Note]
    after: list[Note]
    linking: list[Note] = Field(description="What links to it from other files, if it is a note.")
    next_offset: int | None = Field(description="Pass it as offset for the rest of a long text.")


class Kept(BaseModel):
    """A record that is stored now."""

    id: str
    text: str
    date: str


class Receipt(BaseModel):
    """What was deleted; verified says that no byte of it was found afterwards."""

    records: int
    vectors: int
    history: int
    verified: bool


class Status(BaseModel):
    """How the memory is."""

    records: int
    sessions: int
    pending: int = Field(description="Records found by words only, until their vectors are made.")
    scopes: dict[str, int]


def note(record: Record, *, span: tuple[int, int] | None = None) -> Note:
    """Show a record, or the part of it that was found."""
    start, end = span or (0, len(record.text))
    text = cut(record.text[start:end], _TEXT_TOKENS)
    return Note(
        id=record.id,
        text=text,
        truncated=len(text) < len(record.text),
        role=record.role,
        date=record.created_at.isoformat(timespec="seconds"),
        session=record.session,
        source=None if record.source is None else record.source.uri,
    )


def note_of(hit: Hit) -> Note:
    """Show a hit."""
    asked = None if hit.asked is None else cut(hit.asked.record.text, _ASKED_TOKENS)
    shown = note(hit.record, span=hit.span)
    return shown.model_copy(update={"score": round(hit.score, 3), "asked": asked})


def kept(record: Record) -> Kept:
    """Show a record that was stored."""
    return Kept(
        id=record.id,
        text=cut(record.text, _TEXT_TOKENS),
        date=record.created_at.isoformat(timespec="seconds"),
    )


def cut(text: str, tokens: int) -> str:
    """Cut a text to about so many tokens, at a word's end."""
    data = text.encode("utf-8", "replace")
    if len(data) <= tokens * _BYTES_PER_TOKEN:
        return text
    short = data[: tokens * _BYTES_PER_TOKEN].decode("utf-8", "ignore")
    at_word = short.rsplit(" ", 1)[0]
    return at_word if len(at_word) > len(short) // 2 else short


def fitting(notes: Sequence[Note], tokens: int) -> list[Note]:
    """Return the first notes that fit a budget, at least one."""
    left = tokens * _BYTES_PER_TOKEN
    for i, note in enumerate(notes):
        left -= len(note.model_dump_json().encode())
        if left < 0:
            return list(notes[: max(1, i)])
    return list(notes)


def as_text(notes: Sequence[Note]) -> str:
    """Write notes as lines of a prompt."""
    return "\n".join(
        f"- {note.date[:10]} {note.role}: {' '.join(note.text.split())}" for note in notes
    )


def offset_of(cursor: str | None) -> int:
    """Read a cursor.

    Raises:
        ToolError: it is none of ours.
    """
    if cursor is None:
        return 0
    if not cursor.isdecimal() or int(cursor) > 10_000:
        raise ToolError(f"the cursor {cursor!r} is not one of ours; leave it out to begin anew")
    return int(cursor)


def aware(when: datetime | None) -> datetime | None:
    """Take a time without a zone as this machine's."""
    return when.astimezone() if when is not None and when.tzinfo is None else when
