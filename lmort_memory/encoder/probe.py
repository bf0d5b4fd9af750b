"""Which layers of an unknown model carry meaning: a ridge map from each to the teacher's vectors.

No loss of raw or standardised states names the useful layers (experiment 1 of
`docs/experiments.md`); what a linear map finds in them does. A few hundred texts suffice: with
fewer texts than dimensions the map is solved among the texts, and leaving one out costs nothing.
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
    """The layers that were chosen, and why.

    Attributes:
        layers: Ascending.
        score: Mean cosine of the left-out texts' predicted and true teacher vectors, with these
            layers together.
        alone: The same for each candidate layer alone, in the order of `candidates`.
        candidates: The layers that were looked at, ascending.
    """

    layers: tuple[int, ...]
    score: float
    alone: tuple[float, ...]
    candidates: tuple[int, ...]


def ceiling(n_layer: int) -> int:
    """The highest layer that may be chosen in a model of `n_layer` blocks."""
    return min(n_layer, max(2, math.ceil(MAX_FRACTION * n_layer)))


def choose_layers(pooled: PooledStates, targets: NDArray[np.float32]) -> LayerChoice:
    """Choose up to three layers, one after the other, each that which adds most to the others.

    Args:
        pooled: Of n texts, at the candidate layers.
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
    """Mean cosine of each text's target and its prediction by a map fitted on all the others.

    Args:
        kernel: Products of the inputs, (n, n), inputs centred.
        targets: float64 (n, dim).

    Returns:
        The cosine with the best of a few penalties.
    """
    mean = targets.mean(axis=0)
    values, vectors = np.linalg.eigh(kernel)
    values = values.clip(min=0)
    inside = vectors.T @ (targets - mean)
    best = -1.0
    for penalty in _PENALTIES:
        shrink = values / (values + penalty * values.mean())
        fitted = mean + vectors @ (shrink[:, None] * inside)
        # The share of a text in its own prediction; 1/n is that in the mean.
        leverage = (vectors**2 @ shrink + 1 / len(targets))[:, None]
        predicted = (fitted - leverage * targets) / (1 - leverage)
        best = max(best, _mean_cosine(predicted, targets))
    return best


def _sum(kernels: Sequence[Matrix], indices: Sequence[int]) -> Matrix:
    total: Matrix = np.sum([kernels[index] for index in indices], axis=0)
    return total


def _kernel(states: NDArray[np.float32]) -> Matrix:
    centred = states - states.mean(axis=0)
    kernel: Matrix = (centred @ centred.T).astype(np.float64) / states.shape[1]
    return kernel


def _mean_cosine(found: Matrix, wanted: Matrix) -> float:
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    return float(np.mean((found * wanted).sum(axis=1) / norms))
