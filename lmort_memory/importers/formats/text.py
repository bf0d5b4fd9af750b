"""Plain text files: one note, cut into pieces of readable size."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from lmort_memory.importers.format import MAX_TEXT_BYTES, Format, LeftOut, file_uri, read_text
from lmort_memory.importers.split import pieces
from lmort_memory.importers.times import modified_at
from lmort_memory.types import Source, Turn

__all__ = ["FORMAT", "note_turns"]


def note_turns(
    text: str, *, uri: str, title: str, form: str, created_at: datetime | None
) -> Iterator[Turn]:
    """Cut one text into turns that say where in it they stand."""
    for start, end in pieces(text, 0, len(text)):
        yield Turn(
            text=text[start:end],
            role="note",
            created_at=created_at,
            metadata={"format": form, "title": title},
            source=Source(uri, start, end),
        )


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    text = read_text(path)
    if not text.strip():
        left_out["empty file"] += 1
    yield from note_turns(
        text, uri=file_uri(path), title=path.stem, form="text", created_at=modified_at(path)
    )


FORMAT = Format(
    name="text",
    suffixes=(".txt", ".text"),
    matches=lambda path: True,
    read=_read,
    about="plain text",
    fallback=True,
    longest=MAX_TEXT_BYTES,
)
