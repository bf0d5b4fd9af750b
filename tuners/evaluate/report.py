"""How well vectors find what was asked for: dense, lexical and hybrid rows side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.memory.ranking import (
    DENSE_WEIGHT,
    LEAST_SPREAD,
    LEXICAL_WEIGHT,
    NEARNESS_LENT,
    WORDS_LENT,
)

from .analyze import alignment_loss, uniformity_loss
from .bm25 import bm25_scores
from .metrics import METRICS, score_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lmort_memory.types import Encoder, Progress

    from .beir import EvalSet

    Scores = NDArray[np.float32]

__all__ = [
    "Report",
    "SetVectors",
    "dense_scores",
    "encode_set",
    "evaluate",
    "fuse",
    "lenders",
    "lexical_scores",
    "output_losses",
    "write_per_query",
]

_DEPTH: Final = 100  # documents that each ranking gives to the fusion, as in the product


@dataclass(frozen=True, slots=True)
class SetVectors:
    """Vectors of a set.

    Attributes:
        documents: float32 (n_chunks, dim), unit norm.
        owners: int64 (n_chunks,): the document that each row belongs to, ascending.
        queries: float32 (n_queries, dim), unit norm.
    """

    documents: NDArray[np.float32]
    owners: NDArray[np.int64]
    queries: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of one set: row name -> metric -> value of each query, float64 (n_queries,)."""

    set: str
    query_ids: tuple[str, ...]
    rows: Mapping[str, Mapping[str, NDArray[np.float64]]]

    def means(self) -> dict[str, dict[str, float]]:
        """Average over queries."""
        return {
            row: {metric: float(values.mean()) for metric, values in metrics.items()}
            for row, metrics in self.rows.items()
        }

    def to_json(self) -> dict[str, object]:
        """Give the object that `lmort-mem tuner eval --json` prints."""
        return {"set": self.set, "queries": len(self.query_ids), "rows": self.means()}


def evaluate(dataset: EvalSet, vectors: Mapping[str, SetVectors]) -> Report:
    """Rank a set by words, by each of the given vectors, and by both together.

    Args:
        dataset: What to rank.
        vectors: Row name -> vectors; "dense" gets a row "hybrid" beside it, "dense_in_context"
            a "hybrid_in_context", and so on: the name's "dense" becomes "hybrid".
    """
    lexical = lexical_scores(dataset)
    rows = {"bm25": score_run(dataset, lexical)}
    turns = lenders(dataset)
    for name, found in vectors.items():
        dense = dense_scores(dataset, found)
        rows[name] = score_run(dataset, dense)
        rows[name.replace("dense", "hybrid")] = score_run(dataset, fuse(dense, lexical, turns))
    return Report(dataset.name, tuple(query.id for query in dataset.queries), rows)


def encode_set(
    encoder: Encoder, dataset: EvalSet, *, progress: Progress | None = None
) -> SetVectors:
    """Encode documents (chunked, where the encoder does that) and queries, as the product does."""
    encoded = encoder.encode([item.text for item in dataset.documents], progress=progress)
    owners = np.repeat(np.arange(len(encoded)), [len(item.vectors) for item in encoded])
    queries = [encoder.encode_query(item.text) for item in dataset.queries]
    return SetVectors(np.concatenate([item.vectors for item in encoded]), owners, np.stack(queries))


def output_losses(dataset: EvalSet, vectors: SetVectors) -> tuple[float, float]:
    """Alignment and uniformity loss of a tuner's output O (Figure 5 of the paper).

    Positive pairs are queries with the nearest chunk of their best document; uniformity is taken
    over queries and those chunks.
    """
    number = {document.id: index for index, document in enumerate(dataset.documents)}
    positives = np.empty_like(vectors.queries)
    for row, query in enumerate(dataset.queries):
        grades = dataset.qrels[query.id]
        best = number[max(sorted(grades), key=lambda name: grades[name])]
        chunks = vectors.documents[vectors.owners == best]
        positives[row] = chunks[np.argmax(chunks @ vectors.queries[row])]
    both = np.concatenate([vectors.queries, positives])
    return alignment_loss(vectors.queries, positives), uniformity_loss(both)


def dense_scores(dataset: EvalSet, vectors: SetVectors) -> Scores:
    """Cosine of each query and each document's best chunk; -inf where it may not be found."""
    chunks = vectors.queries @ vectors.documents.T
    starts = np.flatnonzero(np.diff(vectors.owners, prepend=-1))
    scores: Scores = np.maximum.reduceat(chunks, starts, axis=1)
    scores[~dataset.candidates()] = -np.inf
    return scores


def lexical_scores(dataset: EvalSet) -> Scores:
    """BM25 of each query and document; -inf where no word matches or it may not be found."""
    scores = bm25_scores(
        [item.text for item in dataset.documents],
        [item.text for item in dataset.queries],
        dataset.groups(),
    )
    scores[(scores == 0) | ~dataset.candidates()] = -np.inf
    return scores


def lenders(dataset: EvalSet) -> NDArray[np.int64]:
    """Number the documents that another one of their session follows; none without sessions."""
    sessions = [
        (item.fields.get(dataset.group or ""), item.fields.get("session"))
        for item in dataset.documents
    ]
    pairs = enumerate(pairwise(sessions))
    return np.array([i for i, (one, next_) in pairs if one == next_ and one[1]], dtype=np.int64)


def fuse(dense: Scores, lexical: Scores, turns: NDArray[np.int64]) -> Scores:
    """Add the scores of the first hundred of both rankings, each scaled to [0, 1].

    The arithmetic of `lmort_memory.recall`, for many queries at once.

    Args:
        dense: Cosines, (n_queries, n_documents); -inf where a document may not be found.
        lexical: BM25, likewise.
        turns: Documents that lend to the next one; see `lenders`.
    """
    in_dense, in_lexical = _is_first(dense), _is_first(lexical)
    low = np.where(in_dense, dense, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    top = np.where(in_dense, dense, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    worded = np.where(in_lexical, lexical, 0)
    best = worded.max(axis=1, keepdims=True, initial=0)
    with np.errstate(invalid="ignore"):  # a query without candidates has no best
        near = np.where(in_dense, (dense - low) / np.maximum(top - low, LEAST_SPREAD), 0)
    worded = worded / np.maximum(best, 1e-9)
    near, worded = _with_lent(near, turns, NEARNESS_LENT), _with_lent(worded, turns, WORDS_LENT)
    fused: Scores = DENSE_WEIGHT * near + LEXICAL_WEIGHT * worded
    ranked = in_dense | in_lexical
    ranked[:, turns + 1] |= ranked[:, turns]
    fused[~ranked | (np.isneginf(dense) & np.isneginf(lexical))] = -np.inf
    return fused.astype(np.float32)


def _with_lent(scores: Scores, turns: NDArray[np.int64], share: float) -> Scores:
    total = scores.copy()
    total[:, turns + 1] += share * scores[:, turns]
    scaled: Scores = total / np.maximum(total.max(axis=1, keepdims=True), 1)
    return scaled


def _is_first(scores: Scores) -> NDArray[np.bool_]:
    """Mark the first hundred documents of each query."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :_DEPTH]
    first = np.zeros(scores.shape, dtype=np.bool_)
    np.put_along_axis(first, order, True, axis=1)
    return first & ~np.isneginf(scores)


def write_per_query(report: Report, path: Path) -> None:
    """Write one JSON object a line for every query and row: its figures."""
    with path.open("w") as file:
        for index, query in enumerate(report.query_ids):
            for row, metrics in report.rows.items():
                figures = {metric: round(float(metrics[metric][index]), 6) for metric in METRICS}
                line = {"set": report.set, "query": query, "row": row, **figures}
                file.write(json.dumps(line) + "\n")
