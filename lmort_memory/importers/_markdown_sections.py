"""The outline of a Markdown text: its sections, each under the path of headings above it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Section", "sections"]

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_HASHES = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*")
_NO_PARAGRAPH = re.compile(r"\s*(?:[-*+>|#]|\d+[.)]\s|$)")


@dataclass(frozen=True, slots=True)
class Section:
    """The text between two headings.

    Attributes:
        headings: The headings that it stands under, from the outermost one.
        heading_start: Where its own heading begins; the same as `start` before the first heading.
        start: Where the text after the heading begins.
        end: Where it ends.
    """

    headings: tuple[str, ...]
    heading_start: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Heading:
    level: int
    title: str
    start: int
    end: int


def sections(text: str, start: int = 0) -> Iterator[Section]:
    """Yield the sections of `text[start:]`, in order. Headings inside code fences are text."""
    path: list[_Heading] = []
    at = body = start
    for heading in _headings(text, start):
        yield Section(tuple(h.title for h in path), at, body, heading.start)
        while path and path[-1].level >= heading.level:
            path.pop()
        path.append(heading)
        at, body = heading.start, heading.end
    yield Section(tuple(h.title for h in path), at, body, len(text))


def _headings(text: str, start: int) -> Iterator[_Heading]:
    fence = ""
    above: tuple[int, str] | None = None  # a paragraph of one line, which may be underlined next
    fresh = True  # a paragraph may begin on this line
    for line_start, line in _lines(text, start):
        mark = _FENCE.fullmatch(line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
            continue
        heading = None if mark else _heading(line_start, line, above)
        if heading:
            yield heading
        fence = mark[1] if mark else ""
        lone = fresh and not heading and not mark and not _NO_PARAGRAPH.match(line)
        above = (line_start, line) if lone else None
        fresh = heading is not None or not line.strip()


def _heading(start: int, line: str, above: tuple[int, str] | None) -> _Heading | None:
    end = start + len(line)
    if hashes := _HASHES.fullmatch(line):
        title = re.sub(r"(?:^|[ \t])#+[ \t]*$", "", hashes[2] or "").strip()
        return _Heading(len(hashes[1]), title, start, end)
    if above and (underline := _UNDERLINE.fullmatch(line)):
        return _Heading(1 if "=" in underline[1] else 2, above[1].strip(), above[0], end)
    return None


def _lines(text: str, start: int) -> Iterator[tuple[int, str]]:
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, text[start:end]
        start = end + 1
