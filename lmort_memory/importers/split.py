"""Cut a text into pieces of readable size, as spans of characters.

A piece is one or more whole paragraphs. A paragraph that alone is too long is cut after a
sentence, else after a line, else after a word, else anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["PIECE_CHARS", "pieces"]

PIECE_CHARS = 800  # about 200 tokens: ten of them fit a 2,048-token context beside a chat

_GAP = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_BREAKS = (
    re.compile(r"[.!?…][\"')\]»”’]*\s+|[。！？]"),  # noqa: RUF001  signs of other scripts
    re.compile(r"\n"),
    re.compile(r"\s+"),
)


def pieces(
    text: str, start: int, end: int, *, limit: int = PIECE_CHARS
) -> Iterator[tuple[int, int]]:
    """Yield the spans of `text[start:end]`, in order, each without white space at its ends.

    Every character that is not white space lies in exactly one span; no span is longer than
    `limit`.
    """
    open_start: int | None = None
    open_end = start
    for first, last in _short_paragraphs(text, start, end, limit):
        if open_start is not None and last - open_start > limit:
            yield open_start, open_end
            open_start = None
        open_start = first if open_start is None else open_start
        open_end = last
    if open_start is not None:
        yield open_start, open_end


def _short_paragraphs(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    for first, last in _paragraphs(text, start, end):
        while last - first > limit:
            cut = _cut(text, first, first + limit)
            yield _trim(text, first, cut)
            first, _ = _trim(text, cut, last)
        yield first, last


def _paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    for gap in _GAP.finditer(text, start, end):
        yield from _non_empty(text, at, gap.start())
        at = gap.end()
    yield from _non_empty(text, at, end)


def _non_empty(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    first, last = _trim(text, start, end)
    if first < last:
        yield first, last


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _cut(text: str, start: int, end: int) -> int:
    """Find where to end the piece that begins at `start`: at most `end`, and after `start`."""
    for pattern in _BREAKS:
        cuts = [found.end() for found in pattern.finditer(text, start, end)]
        if cuts and cuts[-1] - start > (end - start) // 4:  # a crumb would read worse
            return cuts[-1]
    return end
