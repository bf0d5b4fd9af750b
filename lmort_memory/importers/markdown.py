"""Markdown notes and Obsidian vaults.

A note is cut at its headings, a long section at its paragraphs. Each turn begins with the path of
headings that it stands under ("Ada > Family"), so that a piece is understood, and found, without
the rest of its note; `Source` gives the span of what follows. Front matter, tags, wiki links and
the note's date become metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from lmort_memory.importers._format import Format, LeftOut, file_uri, read_text
from lmort_memory.importers._front_matter import FrontMatter, parse_front_matter
from lmort_memory.importers._markdown_sections import Section, sections
from lmort_memory.importers._split import PIECE_CHARS, pieces
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
    title, found = str(common["title"]), False
    for section, start, end in _spans(text, list(sections(text, front.end))):
        found = True
        headings = _heading_path(title, section)
        alone = end <= section.start and start == section.heading_start  # a heading, and no more
        context = " > ".join(headings)
        yield Turn(
            text=context if alone else f"{context}\n\n{text[start:end]}",
            role="note",
            created_at=created_at,
            metadata=_metadata(common, headings, "\n".join((*section.headings, text[start:end]))),
            source=Source(file_uri(path), start, end),
        )
    if not found:
        left_out["note without text"] += 1


def _spans(text: str, found: Sequence[Section]) -> Iterator[tuple[Section, int, int]]:
    """Yield for each turn its section and its span.

    A heading without text says what stands below it, and is in the path of that. Where nothing
    does, it goes with the text of the next heading beside it; those that end a section without any
    become a turn of their own.
    """
    bare: list[Section] = []
    for section, after in zip(found, [*found[1:], None], strict=True):
        spans = list(pieces(text, section.start, section.end))
        first = bare[0].heading_start if bare else section.start
        if bare and not (_beside(bare[-1], section) and section.end - first <= PIECE_CHARS):
            yield from _bare_spans(text, bare)
            bare, first = [], section.start
        if spans:
            spans[0] = (first if bare else spans[0][0], spans[0][1])
            bare = []
            yield from ((section, start, end) for start, end in spans)
        elif section.headings and section.headings[-1] and not _above(section, after):
            bare.append(section)
    yield from _bare_spans(text, bare)


def _bare_spans(text: str, bare: Sequence[Section]) -> Iterator[tuple[Section, int, int]]:
    """Yield the turns of headings that follow each other without text."""
    if len(bare) == 1:
        yield bare[0], bare[0].heading_start, bare[0].start
    elif bare:
        first, end = bare[0].heading_start, bare[-1].start
        parent = Section(bare[0].headings[:-1], first, first, end)
        yield from ((parent, *span) for span in pieces(text, first, end))


def _beside(one: Section, other: Section) -> bool:
    return len(one.headings) == len(other.headings) and one.headings[:-1] == other.headings[:-1]


def _above(section: Section, after: Section | None) -> bool:
    return after is not None and len(after.headings) > len(section.headings)


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
    name="markdown",
    suffixes=(".md", ".markdown", ".mdown"),
    matches=lambda path: True,
    read=_read,
    version=2,
)
