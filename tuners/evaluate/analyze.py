"""Layer-wise alignment and uniformity (section 3 of the paper), and the choice of A and U.

Every layer's states are mean-pooled and normalised, once unchanged ("raw") and once standardised
per dimension, as the tuner sees them. Lower is better for both losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.encoder.pooling import pool_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.types import Progress

    from .beir import EvalSet

    Array = NDArray[np.float32]

__all__ = [
    "Analysis",
    "Choice",
    "LayerLosses",
    "SetAnalysis",
    "alignment_loss",
    "analyze_set",
    "reciprocal_rank",
    "uniformity_loss",
]

_MAX_TOKENS: Final = 128  # the paper's passage length


def alignment_loss(queries: Array, positives: Array) -> float:
    """Eq. 4: mean squared distance of positive pairs; both (n, d), rows of unit norm."""
    return float(((queries - positives) ** 2).sum(axis=1).mean())


def uniformity_loss(vectors: Array) -> float:
    """Eq. 5: log of the mean of exp(-2 · squared distance) over all pairs of different rows.

    Args:
        vectors: (n, d), rows of unit norm; n at least 2. Costs n² products.
    """
    squared = 2 - 2 * (vectors.astype(np.float64) @ vectors.T)  # |x - y|² of unit vectors
    potential = np.exp(-2 * squared.clip(min=0))
    n = len(vectors)
    return float(np.log((potential.sum() - np.trace(potential)) / (n * (n - 1))))


def reciprocal_rank(queries: Array, positives: Array) -> float:
    """Mean reciprocal rank of row i of `positives` for row i of `queries`, by cosine."""
    scores = queries @ positives.T
    own = np.diagonal(scores)[:, None]
    return float((1 / (scores >= own).sum(axis=1)).mean())


@dataclass(frozen=True, slots=True)
class LayerLosses:
    """Figures by layer, each float64 (n_layer + 1,), index = layer.

    Attributes:
        alignment: Eq. 4; lower is better.
        uniformity: Eq. 5; lower is better.
        mrr: Mean reciprocal rank of each query's positive among all positives; higher is better.
    """

    alignment: NDArray[np.float64]
    uniformity: NDArray[np.float64]
    mrr: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SetAnalysis:
    """Losses on one set, of raw and of standardised states."""

    set: str
    n_pairs: int
    n_texts: int
    raw: LayerLosses
    standardised: LayerLosses


@dataclass(frozen=True, slots=True)
class Choice:
    """Align and uniform layer by one criterion."""

    align_layer: int
    uniform_layer: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """Losses of a model on some sets."""

    model: str
    fingerprint: str
    sets: tuple[SetAnalysis, ...]

    def mean(self, kind: str) -> LayerLosses:
        """Average over sets; `kind` is "raw" or "standardised"."""
        losses: list[LayerLosses] = [getattr(item, kind) for item in self.sets]
        return LayerLosses(
            np.mean([item.alignment for item in losses], axis=0),
            np.mean([item.uniformity for item in losses], axis=0),
            np.mean([item.mrr for item in losses], axis=0),
        )

    def choose_as_paper(self) -> Choice:
        """Section 4.1: lowest alignment loss and lowest uniformity loss of raw states."""
        mean = self.mean("raw")
        return Choice(int(mean.alignment.argmin()), int(mean.uniformity.argmin()))

    def choose_within(self, fraction: float) -> Choice:
        """Choose among the lowest `fraction` of the layers, from standardised states.

        U is the layer whose mean-pooled states rank positives best; A is the layer below U with
        the lowest alignment loss, as in the paper. Only low layers are considered because the upper
        layer determines the cost of a vector. Ranking decides because on standardised states
        neither loss alone identifies a useful layer (layer 1 of SmolLM2 has the lowest of both):
        ranking needs close pairs and distance from everything else.

        Raises:
            ValueError: fewer than two layers remain.
        """
        n_layer = len(self.sets[0].raw.alignment) - 1
        top = int(fraction * n_layer)
        if not 1 <= top <= n_layer:
            raise ValueError(
                f"fraction {fraction} leaves fewer than two of {n_layer + 1} layers; increase it"
            )
        mean = self.mean("standardised")
        uniform = 1 + int(mean.mrr[1 : top + 1].argmax())
        return Choice(int(mean.alignment[:uniform].argmin()), uniform)

    def to_json(self, fraction: float) -> dict[str, object]:
        """Return everything as one JSON object, with lists by layer."""
        paper, within = self.choose_as_paper(), self.choose_within(fraction)
        return {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "sets": {
                item.set: {
                    "pairs": item.n_pairs,
                    "texts": item.n_texts,
                    "raw": _lists(item.raw),
                    "standardised": _lists(item.standardised),
                }
                for item in self.sets
            },
            "mean": {kind: _lists(self.mean(kind)) for kind in ("raw", "standardised")},
            "choice": {
                "paper": {"align": paper.align_layer, "uniform": paper.uniform_layer},
                "within": {
                    "align": within.align_layer,
                    "uniform": within.uniform_layer,
                    "fraction": fraction,
                },
            },
        }


def analyze_set(
    backbone: Backbone,
    dataset: EvalSet,
    *,
    max_pairs: int = 500,
    seed: int = 0,
    progress: Progress | None = None,
) -> SetAnalysis:
    """Measure every layer on one set: positive pairs are queries with a relevant document.

    Costs a full forward pass over at most 2 · `max_pairs` texts, truncated to 128 tokens.
    """
    texts, queries, positives = _positive_pairs(dataset, max_pairs, seed)
    pooled, mean, std = _pool_layers(backbone, texts, progress)
    return SetAnalysis(
        dataset.name,
        len(queries),
        len(texts),
        _losses(pooled, queries, positives),
        _losses((pooled - mean[:, None]) / std[:, None], queries, positives),
    )


def _positive_pairs(
    dataset: EvalSet, max_pairs: int, seed: int
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Draw queries and their best documents: the distinct texts, and both as indices into them."""
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(dataset.queries))[:max_pairs]
    documents = {document.id: document.text for document in dataset.documents}
    index: dict[str, int] = {}
    queries, positives = [], []
    for query in (dataset.queries[i] for i in sorted(drawn)):
        grades = dataset.qrels[query.id]
        best = max(sorted(grades), key=lambda name: grades[name])
        queries.append(index.setdefault(query.text, len(index)))
        positives.append(index.setdefault(documents[best], len(index)))
    return list(index), np.array(queries), np.array(positives)


def _pool_layers(
    backbone: Backbone, texts: Sequence[str], progress: Progress | None
) -> tuple[Array, Array, Array]:
    """Mean-pool each text at each layer (L, n, n_embd); mean and std over tokens (L, n_embd)."""
    layers = tuple(range(backbone.facts.n_layer + 1))
    found = pool_states(
        backbone.hidden_states(texts, layers=layers, max_tokens=_MAX_TOKENS, progress=progress)
    )
    return found.pooled, found.mean, found.std


def _losses(pooled: Array, queries: NDArray[np.int64], positives: NDArray[np.int64]) -> LayerLosses:
    unit = pooled / np.linalg.norm(pooled, axis=2, keepdims=True)
    return LayerLosses(
        np.array([alignment_loss(layer[queries], layer[positives]) for layer in unit]),
        np.array([uniformity_loss(layer) for layer in unit]),
        np.array([reciprocal_rank(layer[queries], layer[positives]) for layer in unit]),
    )


def _lists(losses: LayerLosses) -> dict[str, list[float]]:
    return {
        "alignment": [round(float(x), 4) for x in losses.alignment],
        "uniformity": [round(float(x), 4) for x in losses.uniformity],
        "mrr": [round(float(x), 4) for x in losses.mrr],
    }
