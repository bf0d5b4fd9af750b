"""Find the layers of an unknown model that carry meaning, by ridge regression on a teacher.

No unsupervised loss on the states identifies the useful layers (experiment 1 of
`docs/experiments.md`), but regression from each layer to the teacher's vectors does. A few hundred
texts suffice: with fewer texts than dimensions the dual form is solved, where leave-one-out costs
nothing extra.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmort_memory.encoder.pooling import PooledStates

    Matrix = NDArray[np.float64]

__all__ = ["LayerChoice", "ceiling", "choose_layers", "left_out_cosine"]

MAX_FRACTION: Final = 0.4  # of the blocks: an import stops after the upper layer
N_LAYERS: Final = 3
_PENALTIES: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # times the mean variance of the texts


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """The chosen layers and their scores.

    Attributes:
        layers: The chosen layers, ascending.
        score: Mean leave-one-out cosine of predicted and true teacher vectors, using all of
            `layers`.
        alone: The same score for each candidate layer alone, in the order of `candidates`.
        candidates: The layers that were tried, ascending.
    """

    layers: tuple[int, ...]
    score: float
    alone: tuple[float, ...]
    candidates: tuple[int, ...]


def ceiling(n_layer: int) -> int:
    """The highest layer that may be chosen in a model of `n_layer` blocks."""
    return min(n_layer, max(2, math.ceil(MAX_FRACTION * n_layer)))


def choose_layers(pooled: PooledStates, targets: NDArray[np.float32]) -> LayerChoice:
    """Choose up to three layers greedily, each the one that improves the score most.

    Args:
        pooled: States of n texts at the candidate layers.
        targets: The teacher's vectors, float32 (n, dim).
    """
    kernels = [_kernel(layer) for layer in pooled.standardised()]
    wanted = targets.astype(np.float64)
    chosen: list[int] = []
    alone: list[float] = []
    best = -1.0
    for _ in range(min(N_LAYERS, len(kernels))):
        scores = [
            -1.0 if index in chosen else left_out_cosine(_sum(kernels, [*chosen, index]), wanted)
            for index in range(len(kernels))
        ]
        alone = alone or scores
        if max(scores) <= best:
            break
        best = max(scores)
        chosen.append(int(np.argmax(scores)))
    layers = tuple(sorted(pooled.layers[index] for index in chosen))
    return LayerChoice(layers, best, tuple(alone), pooled.layers)


def left_out_cosine(kernel: Matrix, targets: Matrix) -> float:
    """Mean leave-one-out cosine of kernel ridge regression.

    Args:
        kernel: Gram matrix of the centred inputs, (n, n).
        targets: float64 (n, dim).

    Returns:
        The cosine at the best of a few penalties.
    """
    mean = targets.mean(axis=0)
    values, vectors = np.linalg.eigh(kernel)
    values = values.clip(min=0)
    inside = vectors.T @ (targets - mean)
    best = -1.0
    for penalty in _PENALTIES:
        shrink = values / (values + penalty * values.mean())
        fitted = mean + vectors @ (shrink[:, None] * inside)
        # Leverage: a text's share in its own prediction; 1/n is its share in the mean.
        leverage = (vectors**2 @ shrink + 1 / len(targets))[:, None]
        predicted = (fitted - leverage * targets) / (1 - leverage)
        best = max(best, mean_cosine(predicted, targets))
    return best


def _sum(kernels: Sequence[Matrix], indices: Sequence[int]) -> Matrix:
    total: Matrix = np.sum([kernels[index] for index in indices], axis=0)
    return total


def _kernel(states: NDArray[np.float32]) -> Matrix:
    centred = states - states.mean(axis=0)
    kernel: Matrix = (centred @ centred.T).astype(np.float64) / states.shape[1]
    return kernel


def mean_cosine(found: NDArray[np.floating], wanted: NDArray[np.floating]) -> float:
    """Return the mean cosine of the rows of two arrays, (n, dim) each."""
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    return float(np.mean((found * wanted).sum(axis=1) / norms))
