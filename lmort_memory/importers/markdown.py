"""Markdown notes and Obsidian vaults.

A note is cut at its headings, a long section at its paragraphs. Each turn begins with the path of
headings that it stands under ("Ada > Family"), so that a piece is understood, and found, without
the rest of its note; `Source` gives the span of what follows. Front matter, tags, wiki links and
the note's date become metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from lmort_memory.importers._format import Format, LeftOut, file_uri, read_text
from lmort_memory.importers._front_matter import FrontMatter, parse_front_matter
from lmort_memory.importers._markdown_sections import Section, sections
from lmort_memory.importers._split import pieces
from lmort_memory.importers._times import from_iso, from_name, modified_at
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`", re.DOTALL)
_TAG = re.compile(r"(?<![\w#&/])#([^\W\d_][\w/-]*|\d+[^\W\d_][\w/-]*)")
_WIKI_LINK = re.compile(r"\[\[([^\[\]|#^\n]+)[^\[\]\n]*\]\]")
_DATE_KEYS = ("date", "created", "created_at", "creation date")


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    text = read_text(path)
    front = parse_front_matter(text)
    common = _common_metadata(path, front)
    created_at = _created_at(path, front)
    found = False
    for section in sections(text, front.end):
        headings = _heading_path(str(common["title"]), section)
        for start, end, body in _bodies(text, section, headings):
            found = True
            yield Turn(
                text=body,
                role="note",
                created_at=created_at,
                metadata=_metadata(common, headings, text[start:end]),
                source=Source(file_uri(path), start, end),
            )
    if not found:
        left_out["note without text"] += 1


def _bodies(
    text: str, section: Section, headings: tuple[str, ...]
) -> Iterator[tuple[int, int, str]]:
    """Yield the span and the text of each turn of a section."""
    context = " > ".join(headings)
    found = False
    for start, end in pieces(text, section.start, section.end):
        found = True
        yield start, end, f"{context}\n\n{text[start:end]}"
    if not found and section.start > section.heading_start and section.headings[-1]:
        yield section.heading_start, section.start, context  # a heading may be all there is


def _heading_path(title: str, section: Section) -> tuple[str, ...]:
    headings = tuple(heading for heading in section.headings if heading)
    if headings and headings[0].casefold() == title.casefold():
        return headings
    return (title, *headings)


def _common_metadata(path: Path, front: FrontMatter) -> dict[str, JsonValue]:
    common = dict(front.values)
    title = common.get("title")
    tags = [*_words(common.pop("tags", None)), *_words(common.pop("tag", None))]
    common["format"] = "markdown"
    common["title"] = title.strip() if isinstance(title, str) and title.strip() else path.stem
    common["tags"] = [tag.lstrip("#") for tag in tags]
    if front.unread:
        common["front_matter"] = "\n".join(front.unread)
    return common


def _metadata(
    common: dict[str, JsonValue], headings: tuple[str, ...], text: str
) -> dict[str, JsonValue]:
    prose = _CODE.sub(" ", text)
    note_tags = _words(common["tags"])
    tags = _unique([*note_tags, *(found[1].rstrip("/-") for found in _TAG.finditer(prose))])
    links = _unique(found[1].strip() for found in _WIKI_LINK.finditer(prose))
    metadata = {**common, "headings": list[JsonValue](headings[1:])}
    metadata["tags"] = list[JsonValue](tags)
    metadata["links"] = list[JsonValue](links)
    return {key: value for key, value in metadata.items() if value not in ([], None)}


def _words(value: JsonValue) -> list[str]:
    """Read a list of tags, or a line of them with commas or spaces between."""
    if isinstance(value, str):
        return re.split(r"[,\s]+", value.strip())
    return [str(item) for item in value if item is not None] if isinstance(value, list) else []


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(word for word in words if word))


def _created_at(path: Path, front: FrontMatter) -> datetime | None:
    for key, value in front.values.items():
        if key.lower() in _DATE_KEYS and (when := from_iso(value)) is not None:
            return when
    return from_name(path.stem) or modified_at(path)


FORMAT = Format(
    name="markdown", suffixes=(".md", ".markdown", ".mdown"), matches=lambda path: True, read=_read
)
