"""Ranking metrics, computed by ir-measures (as trec_eval does), and their uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .beir import EvalSet

__all__ = ["METRICS", "bootstrap_interval", "score_run"]

METRICS: Final = {
    "recall@1": "R@1",
    "recall@5": "R@5",
    "recall@10": "R@10",
    "recall@50": "R@50",
    "mrr@10": "RR@10",
    "map": "AP",
    "ndcg@10": "nDCG@10",
}
"""Our name -> the name in ir-measures."""

_DEPTH: Final = 1000  # documents judged per ranking: trec_eval's default


def score_run(dataset: EvalSet, scores: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Evaluate a ranking: metric -> value per query, float64 (n_queries,).

    Args:
        dataset: The judgements.
        scores: float32 (n_queries, n_documents), higher is better; -inf excludes a document.

    Raises:
        MissingDependencyError: ir-measures is not installed.
    """
    try:
        import ir_measures
    except ImportError as error:
        raise MissingDependencyError("ir-measures", extra="train") from error
    ids = [document.id for document in dataset.documents]
    run = {query.id: _ranking(ids, row) for query, row in zip(dataset.queries, scores, strict=True)}
    rows = {query.id: index for index, query in enumerate(dataset.queries)}
    names = {ir_measures.parse_measure(theirs): ours for ours, theirs in METRICS.items()}
    values = {ours: np.zeros(len(rows)) for ours in METRICS}
    for found in ir_measures.iter_calc(list(names), dataset.qrels, run):
        values[names[found.measure]][rows[found.query_id]] = found.value
    return values


def _ranking(ids: Sequence[str], scores: NDArray[np.float32]) -> Mapping[str, float]:
    """Give the best documents distinct scores: trec_eval would break ties by id."""
    order = np.argsort(-scores, kind="stable")[:_DEPTH]
    return {ids[i]: float(-rank) for rank, i in enumerate(order) if scores[i] > -np.inf}


def bootstrap_interval(
    values: NDArray[np.float64], *, level: float = 0.95, samples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over queries."""
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(samples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
