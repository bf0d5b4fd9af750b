"""Org files: the text under each path of headings, with tags, to-do words and properties.

`#+TITLE` and `#+FILETAGS` are the file's; dates come from `#+DATE`, from a heading's CREATED, or
from the file. Drawers, comments, settings and trees marked COMMENT are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lmort_memory.importers.document import Block, Outline, document_turns
from lmort_memory.importers.format import MAX_TEXT_BYTES, Format, LeftOut, file_uri, read_text
from lmort_memory.importers.times import from_iso, from_name, modified_at
from lmort_memory.types import JsonValue, Turn

__all__ = ["FORMAT"]

_HEADING = re.compile(r"(\*+)\s+(.*?)(?:\s+:([\w@#%:]+):)?\s*")
_PRIORITY = re.compile(r"\[#[A-Za-z0-9]\]\s*")
_KEYWORD = re.compile(r"#\+(\w+):\s*(.*)")
_BLOCK = re.compile(r"\s*#\+(begin|end)_(\w+)\b.*", re.I)
_DRAWER = re.compile(r"\s*:([\w-]+):\s*")
_PROPERTY = re.compile(r"\s*:([\w-]+):\s+(.*)")
_LINK = re.compile(r"\[\[([^\[\]]+)\](?:\[([^\[\]]+)\])?\]")
_PICTURE = re.compile(r"\[\[[^\[\]]+\.(?:png|jpe?g|gif|svg|webp|bmp|avif|heic)\]\]", re.I)
_STAMP = re.compile(r"[<\[](\d{4}-\d{2}-\d{2})[^<>\[\]\d]*(?:(\d{1,2}):(\d{2}))?[^<>\[\]]*[>\]]")
_COMMENT = re.compile(r"\s*#(?:\s.*|$)")


@dataclass(slots=True)
class _Section:
    """What stands under one heading."""

    headings: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Org:
    """A file as it is read, line by line."""

    left_out: LeftOut
    keywords: dict[str, str] = field(default_factory=dict)
    sections: list[_Section] = field(default_factory=lambda: [_Section()])
    _outline: Outline = field(default_factory=Outline)
    _tags: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    _drawer: str = ""
    _block: str = ""
    _silent: int = 0  # the level of the tree that is marked COMMENT

    def take(self, line: str) -> None:
        """Read the next line."""
        if self._drawer:
            self._take_drawer(line)
        elif self._block:
            self._take_block(line)
        elif heading := _HEADING.fullmatch(line):
            self._enter(len(heading[1]), heading[2], heading[3] or "")
        elif not self._silent:
            self._take_text(line)

    def _take_text(self, line: str) -> None:
        drawer = _DRAWER.fullmatch(line)
        if (mark := _BLOCK.fullmatch(line)) and mark[1].lower() == "begin":
            self._block = mark[2].lower()
        elif keyword := _KEYWORD.fullmatch(line):
            self.keywords.setdefault(keyword[1].lower(), keyword[2].strip())
        elif drawer and drawer[1].upper() != "END":
            self._drawer = drawer[1].upper()
            self.left_out["drawer"] += self._drawer != "PROPERTIES"
        elif _COMMENT.fullmatch(line):
            self.left_out["comment"] += 1
        else:
            self.sections[-1].lines.append(line)

    def _take_block(self, line: str) -> None:
        mark = _BLOCK.fullmatch(line)
        if mark and mark[1].lower() == "end" and mark[2].lower() == self._block:
            self._block = ""
        elif self._block != "comment" and not self._silent:
            self.sections[-1].lines.append(line.removeprefix(","))

    def _take_drawer(self, line: str) -> None:
        if line.strip().upper() == ":END:":
            self._drawer = ""
        elif self._drawer == "PROPERTIES" and (entry := _PROPERTY.fullmatch(line)):
            self.sections[-1].properties[entry[1]] = entry[2].strip()

    def _enter(self, level: int, title: str, tags: str) -> None:
        if self._silent and level > self._silent:
            return
        self._silent = level if re.match(r"COMMENT\b", title) else 0
        if self._silent:
            self.left_out["tree marked COMMENT"] += 1
            return
        self._outline.enter(level, _shown(_PRIORITY.sub("", title)))
        self._tags = [one for one in self._tags if one[0] < level]
        self._tags.append((level, tuple(tag for tag in tags.split(":") if tag)))
        inherited = tuple(dict.fromkeys(tag for _, own in self._tags for tag in own))
        self.sections.append(_Section(self._outline.path, inherited))


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    org = _Org(left_out)
    for line in read_text(path).split("\n"):
        org.take(line)
    title = _shown(org.keywords.get("title", "")) or path.stem
    file_tags = tuple(tag for tag in re.split(r"[:\s]+", org.keywords.get("filetags", "")) if tag)
    date = _time(org.keywords.get("date", "")) or from_name(path.stem) or modified_at(path)
    found = False
    for section, after in zip(org.sections, [*org.sections[1:], _Section()], strict=True):
        said, pictures = _PICTURE.subn("", "\n".join(section.lines))
        left_out["picture"] += pictures
        text = _shown(said).strip("\n")
        metadata = _metadata(section, (*file_tags, *section.tags))
        if not text.strip():
            if pictures or not section.headings or _is_above(section, after):
                continue
            text = section.headings[-1]
            section.headings = section.headings[:-1]
        found = True
        yield from document_turns(
            [Block(section.headings, text)],
            uri=file_uri(path),
            title=title,
            metadata=metadata,
            created_at=_time(section.properties.get("CREATED", "")) or date,
        )
    if not found:
        left_out["note without text"] += 1


def _is_above(section: _Section, after: _Section) -> bool:
    """Whether the next heading stands under this one, which then is in its path."""
    length = len(section.headings)
    return len(after.headings) > length and after.headings[:length] == section.headings


def _metadata(section: _Section, tags: tuple[str, ...]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {"format": "org"}
    if tags:
        found["tags"] = list[JsonValue](dict.fromkeys(tags))
    if section.properties:
        found["properties"] = dict[str, JsonValue](section.properties)
    return found


def _shown(text: str) -> str:
    """Replace links by their labels."""
    return _LINK.sub(lambda link: link[2] or link[1].removeprefix("file:"), text).strip()


def _time(text: str) -> datetime | None:
    stamp = _STAMP.search(text)
    if stamp is None:
        return from_iso(text)
    clock = f"T{int(stamp[2]):02}:{stamp[3]}" if stamp[2] else ""
    return from_iso(f"{stamp[1]}{clock}")


FORMAT = Format(
    name="org",
    suffixes=(".org",),
    matches=lambda path: True,
    read=_read,
    version=2,
    about="Org files",
    longest=MAX_TEXT_BYTES,
)
