"""How well vectors find what was asked for: dense, lexical and hybrid rows side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

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
    "lexical_scores",
    "output_losses",
    "write_per_query",
]

_RRF_K: Final = 60  # Cormack, Clarke and Büttcher 2009


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
    for name, found in vectors.items():
        dense = dense_scores(dataset, found)
        rows[name] = score_run(dataset, dense)
        rows[name.replace("dense", "hybrid")] = score_run(dataset, fuse(dense, lexical))
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


def fuse(dense: Scores, lexical: Scores) -> Scores:
    """Reciprocal rank fusion: the sum of 1 / (60 + rank) over the rankings a document is in."""
    fused = _reciprocal_ranks(dense) + _reciprocal_ranks(lexical)
    fused[fused == 0] = -np.inf
    return fused


def _reciprocal_ranks(scores: Scores) -> Scores:
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, scores.shape[1] + 1)[None, :], axis=1)
    reciprocal = (1 / (_RRF_K + ranks)).astype(np.float32)
    reciprocal[np.isneginf(scores)] = 0
    return reciprocal


def write_per_query(report: Report, path: Path) -> None:
    """Write one JSON object a line for every query and row: its figures."""
    with path.open("w") as file:
        for index, query in enumerate(report.query_ids):
            for row, metrics in report.rows.items():
                figures = {metric: round(float(metrics[metric][index]), 6) for metric in METRICS}
                line = {"set": report.set, "query": query, "row": row, **figures}
                file.write(json.dumps(line) + "\n")
