"""The outline of a Markdown text: its sections, each under the path of headings above it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lmort_memory.importers.markdown_parser import Heading, parse

__all__ = ["Section", "line_starts", "sections", "sections_under"]


@dataclass(frozen=True, slots=True)
class Section:
    """The text between two headings.

    Attributes:
        headings: The headings that it stands under, from the outermost one.
        heading_lines: Their lines.
        heading_start: Where its own heading begins; the same as `start` before the first heading.
        start: Where the text after the heading begins.
        end: Where it ends.
    """

    headings: tuple[str, ...]
    heading_lines: tuple[int, ...]
    heading_start: int
    start: int
    end: int


def sections(text: str, start: int = 0) -> Iterator[Section]:
    """Yield the sections of `text[start:]`, in order. Headings inside code fences are text."""
    headings = parse(text[start:]).headings
    return sections_under(headings, line_starts(text, start), start, len(text))


def line_starts(text: str, start: int = 0) -> list[int]:
    """Return where the lines of `text[start:]` begin, and at last where it ends."""
    starts = [start]
    while (end := text.find("\n", starts[-1])) >= 0:
        starts.append(end + 1)
    return [*starts, len(text)]


def sections_under(
    headings: Iterable[Heading], lines: Sequence[int], start: int, end: int
) -> Iterator[Section]:
    """Yield the sections of a text, characters [start, end), of which the headings are known.

    `lines` are the places where its lines begin.
    """
    path: list[Heading] = []
    at = body = start
    for heading in headings:
        place = lines[heading.first]
        yield _section(path, at, body, place)
        while path and path[-1].level >= heading.level:
            path.pop()
        path.append(heading)
        at, body = place, min(lines[heading.last], end)
    yield _section(path, at, body, end)


def _section(path: Sequence[Heading], heading_start: int, start: int, end: int) -> Section:
    titles, lines = [one.title for one in path], [one.first for one in path]
    return Section(tuple(titles), tuple(lines), heading_start, start, end)
