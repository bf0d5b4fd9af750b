"""Rank an evaluation set by words exactly as the product does: with its store.

Each group has a store of its own, as if the memory held nothing else; a temporary file, deleted
afterwards.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.types import Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["word_scores"]


def word_scores(
    documents: Sequence[str],
    queries: Sequence[str],
    candidates: NDArray[np.bool_],
    groups: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Score every document by the words of every query, float32 (n_queries, n_documents).

    Args:
        documents: Texts.
        queries: Questions.
        candidates: Which documents each question may find, (n_queries, n_documents).
        groups: int64 (n_documents,): documents with the same number share their statistics.

    Returns:
        BM25 as SQLite's FTS5 computes it; -inf where no word matches or the document may not be
        found.
    """
    scores = np.full((len(queries), len(documents)), -np.inf, dtype=np.float32)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        asking = np.flatnonzero(candidates[:, members].any(axis=1))
        scores[np.ix_(asking, members)] = _within(
            [documents[i] for i in members.tolist()], [queries[i] for i in asking.tolist()]
        )
    scores[~candidates] = -np.inf
    return scores


def _within(documents: Sequence[str], queries: Sequence[str]) -> NDArray[np.float32]:
    scores = np.full((len(queries), len(documents)), -np.inf, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder) / "words.db")
        try:
            stored = store.add([Turn(text) for text in documents])
            column = {one.record.id: index for index, one in enumerate(stored)}
            for row, query in enumerate(queries):
                for found in store.lexical(query, Filter(), limit=len(documents)):
                    scores[row, column[found.id]] = found.score
        finally:
            store.close()
    return scores
