"""Evernote exports (.enex): a source for each note, under its title, with tags and dates.

Tasks are read with the note. Pictures, files and encrypted passages are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

from lmort_memory.errors import ImportFileError
from lmort_memory.importers.document import Block, UniqueNames, document_turns
from lmort_memory.importers.format import Format, LeftOut, read_head
from lmort_memory.importers.html import parse_html
from lmort_memory.importers.times import from_iso, modified_at
from lmort_memory.text import valid
from lmort_memory.types import JsonValue, Turn

__all__ = ["FORMAT"]

_ROOT = re.compile(r"\s*(?:<\?xml[^>]*>\s*|<!DOCTYPE[^>]*>\s*|<!--.*?-->\s*)*<en-export\b", re.S)


def _matches(path: Path) -> bool:
    return bool(_ROOT.match(read_head(path, 4096)))


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    unique = UniqueNames()
    try:
        with path.open("rb") as stream:
            for _, element in ElementTree.iterparse(stream, events=("end",)):
                if element.tag == "note":
                    yield from _turns(element, path, unique, left_out)
                    element.clear()
                elif element.tag == "resource":
                    left_out["attachment"] += 1
                    element.clear()  # megabytes of base64
    except ElementTree.ParseError as error:
        raise ImportFileError(
            f"{path} is damaged: {error} — what stands before was read; export it again",
            path=str(path),
        ) from error


def _turns(
    note: ElementTree.Element, path: Path, unique: UniqueNames, left_out: LeftOut
) -> Iterator[Turn]:
    page = parse_html(note.findtext("content") or "")
    left_out["encrypted passage"] += page.left_out["encrypted passage"]
    blocks = [*page.blocks, *_tasks(note)]
    title = " ".join((note.findtext("title") or "").split()) or "Untitled"
    if not blocks:
        left_out["note without text"] += 1
    created = note.findtext("created") or ""
    metadata: dict[str, JsonValue] = {"format": "evernote", "notebook": path.stem}
    if tags := [tag.text.strip() for tag in note.iter("tag") if tag.text]:
        metadata["tags"] = list[JsonValue](tags)
    for name in ("author", "source-url"):
        if value := (note.findtext(f"note-attributes/{name}") or "").strip():
            metadata[name.replace("-", "_")] = value
    uri = valid(unique.name(f"evernote:{path.stem}/{created}/{title}"))
    if (changed := _time(note.findtext("updated") or "")) is not None:
        left_out.dates[uri] = changed
    yield from document_turns(
        blocks,
        uri=uri,
        title=title,
        metadata=metadata,
        created_at=_time(created) or modified_at(path),
    )


def _tasks(note: ElementTree.Element) -> Iterator[Block]:
    lines = []
    for task in note.iter("task"):
        if title := (task.findtext("title") or "").strip():
            done = (task.findtext("taskStatus") or "") == "completed"
            lines.append(f"- [{'x' if done else ' '}] {title}")
    if lines:
        yield Block((), "\n".join(lines))


def _time(text: str) -> datetime | None:
    """Read Evernote's form: 20240501T070000Z."""
    return from_iso(text.strip()) if re.fullmatch(r"\s*\d{8}T\d{6}Z\s*", text) else None


FORMAT = Format(
    name="evernote",
    suffixes=(".enex",),
    matches=_matches,
    read=_read,
    version=3,
    about="Evernote exports, .enex",
)
