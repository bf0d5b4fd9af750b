"""The parts of a long text that a model reads when the whole does not fit its context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmort_memory.types import Encoded

__all__ = ["excerpt"]

GAP = "\n[…]\n"


def excerpt(text: str, encoded: Encoded, *, budget: int, count_tokens: Callable[[str], int]) -> str:
    """Choose the parts of a text that matter most for the question in it.

    People paste a document and ask about it before or after: so the beginning and the end are kept,
    plus the chunks in between that are closest in meaning to either.

    Args:
        text: The whole.
        encoded: Its chunks and their vectors.
        budget: Maximum tokens of the excerpt.
        count_tokens: The model's own count for a text.

    Returns:
        The chosen parts in order, with "[…]" for each omission.
    """
    spans, vectors = encoded.spans, encoded.vectors
    ends = [0, len(spans) - 1]
    nearness = (vectors @ vectors[ends].T).max(axis=1)
    by_worth = sorted(range(len(spans)), key=lambda i: (i not in ends, -nearness[i], i))
    chosen: list[int] = []
    for index in by_worth:
        with_it = _joined(text, [spans[i] for i in sorted([*chosen, index])])
        if count_tokens(with_it) <= budget:
            chosen.append(index)
        elif len(chosen) >= len(ends):
            break
    return _joined(text, [spans[i] for i in sorted(chosen)])


def _joined(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Merge overlapping stretches of a text."""
    parts: list[list[int]] = []
    for start, end in spans:
        if parts and start <= parts[-1][1]:
            parts[-1][1] = end
        else:
            parts.append([start, end])
    shown = [text[start:end].strip("\n") for start, end in parts]
    if parts and parts[-1][1] < len(text.rstrip()):
        shown.append("")
    return GAP.join(shown)
