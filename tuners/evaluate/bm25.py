"""BM25 (k1 1.2, b 0.75), the lexical baseline of the evaluation tables.

Statistics are computed per group (one conversation, one story), as if the memory held nothing else.
The product ranks with SQLite's FTS5; this implementation is exact and needs no database.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["bm25_scores"]

_K1: Final = 1.2
_B: Final = 0.75
_WORD: Final = re.compile(r"\w+")


def bm25_scores(
    documents: Sequence[str], queries: Sequence[str], groups: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Score every document for every query: float32 (n_queries, n_documents), 0 for no match.

    Args:
        documents: Texts.
        queries: Questions.
        groups: int64 (n_documents,): documents with the same number share their statistics.
    """
    scores = np.zeros((len(queries), len(documents)), dtype=np.float32)
    terms = [_WORD.findall(query.lower()) for query in queries]
    counts = [Counter(_WORD.findall(document.lower())) for document in documents]
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        scores[:, members] = _within([counts[i] for i in members], terms)
    return scores


def _within(
    counts: Sequence[Counter[str]], queries: Sequence[Sequence[str]]
) -> NDArray[np.float32]:
    lengths = np.array([count.total() for count in counts], dtype=np.float64)
    penalty = _K1 * (1 - _B + _B * lengths / max(lengths.mean(), 1))
    postings: dict[str, list[tuple[int, int]]] = {}
    for index, count in enumerate(counts):
        for term, times in count.items():
            postings.setdefault(term, []).append((index, times))
    scores = np.zeros((len(queries), len(counts)), dtype=np.float64)
    for row, terms in enumerate(queries):
        for term in terms:
            found = np.array(postings.get(term, ()), dtype=np.int64).reshape(-1, 2)
            members, frequency = found[:, 0], found[:, 1]
            idf = np.log1p((len(counts) - len(found) + 0.5) / (len(found) + 0.5))
            scores[row, members] += idf * frequency * (_K1 + 1) / (frequency + penalty[members])
    return scores.astype(np.float32)
