"""Split long texts into chunks of the model's tokens, at breaks that a reader would choose."""

from __future__ import annotations

import re
from collections.abc import Sequence

CHUNK_TOKENS = 128  # the passage length of the paper; tuners are trained on texts up to this length
CHUNK_OVERLAP = 16

_PARAGRAPH = re.compile(r"\n\s*\n\s*")
_CLOSING = "['\"\u201d\u2019)\\]]*"  # quotation marks and brackets after a full stop
_SENTENCE = re.compile(rf"[.!?\u2026]{_CLOSING}\s+|[\u3002\uff01\uff1f]|\n")
_WORD = re.compile(r"\s+")


def chunk_tokens(
    text: str,
    ends: Sequence[int],
    *,
    width: int = CHUNK_TOKENS,
    overlap: int = CHUNK_OVERLAP,
) -> list[tuple[int, int]]:
    """Split a text's tokens into overlapping chunks.

    A chunk ends after the last paragraph in its second half, else the last sentence there, else
    the last word, else after `width` tokens.

    Args:
        text: The text.
        ends: For each token, the character where it ends.
        width: Maximum tokens per chunk.
        overlap: Tokens shared with the previous chunk.

    Returns:
        Ascending token ranges [start, stop) that together cover every token.
    """
    chunks: list[tuple[int, int]] = []
    start = 0
    while start < len(ends):
        stop = start + width
        if stop >= len(ends):
            chunks.append((start, len(ends)))
            break
        stop = _break(text, ends, start + width // 2, stop)
        chunks.append((start, stop))
        start = max(start + 1, stop - overlap)
    return chunks


def chunk_spans(text: str, ends: Sequence[int]) -> list[tuple[int, int]]:
    """Return the characters [start, stop) of a text's chunks; see `chunk_tokens`."""
    return [span_of(chunk, ends) for chunk in chunk_tokens(text, ends)]


def span_of(chunk: tuple[int, int], ends: Sequence[int]) -> tuple[int, int]:
    """Return the characters [start, stop) of a range of tokens, of which each ends at `ends`."""
    start, stop = chunk
    return (ends[start - 1] if start else 0, ends[stop - 1])


def _break(text: str, ends: Sequence[int], low: int, high: int) -> int:
    """Return the best token count in (low, high] at which to end a chunk."""
    first, last = ends[low - 1], ends[high - 1]
    window = text[first:last]
    for pattern in (_PARAGRAPH, _SENTENCE, _WORD):
        breaks = [first + match.end() for match in pattern.finditer(window)]
        if breaks:
            # The last token that ends at or before the break: a token may include the white space.
            return max(i + 1 for i in range(low - 1, high) if ends[i] <= breaks[-1])
    return high
