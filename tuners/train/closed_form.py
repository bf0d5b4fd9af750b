"""Statistics of the states, and the linear path by ridge regression: no gradients needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.encoder.pooling import MIN_STD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..states.cache import StatesCache

    Array = NDArray[np.float32]

__all__ = ["MIN_STD", "pooled_states", "ridge", "ridge_behind", "statistics"]

_SAMPLE_ROWS: Final = 200_000  # rows for the statistics, spread over the cache
_PENALTIES: Final = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)  # × mean variance
_HELD_OUT: Final = 10  # every tenth text is held out to choose the penalty


def statistics(cache: StatesCache) -> dict[int, tuple[Array, Array]]:
    """Mean and standard deviation over tokens, per dimension and cached layer."""
    result = {}
    for layer in cache.manifest.layers:
        rows = cache.layer(layer)
        picked = np.asarray(rows[:: max(1, len(rows) // _SAMPLE_ROWS)], dtype=np.float64)
        std = np.maximum(picked.std(axis=0), MIN_STD)
        result[layer] = (picked.mean(axis=0).astype(np.float32), std.astype(np.float32))
    return result


def pooled_states(
    cache: StatesCache, layers: tuple[int, ...], stats: Mapping[int, tuple[Array, Array]]
) -> Array:
    """Standardised mean-pooled states, layers concatenated: float32 (n_texts, L · n_embd)."""
    width = cache.manifest.n_embd
    pooled = np.empty((len(cache.lengths), len(layers) * width), dtype=np.float32)
    for index, layer in enumerate(layers):
        rows = cache.layer(layer)
        mean, std = stats[layer]
        columns = slice(index * width, (index + 1) * width)
        for text, (start, length) in enumerate(zip(cache.offsets, cache.lengths, strict=True)):
            pooled[text, columns] = rows[start : start + length].mean(axis=0, dtype=np.float32)
        pooled[:, columns] = (pooled[:, columns] - mean) / std
    return pooled


def ridge(inputs: Array, targets: Array) -> tuple[Array, Array]:
    """Ridge regression of targets on inputs, with the penalty that is best on held-out texts.

    Args:
        inputs: (n, d).
        targets: (n, dim), unit norm.

    Returns:
        weight (dim, d) and bias (dim,), fitted on all texts with the chosen penalty.
    """
    held = np.arange(len(inputs)) % _HELD_OUT == 0
    fit = _solver(inputs[~held], targets[~held])
    scores = [_mean_cosine(inputs[held], targets[held], *fit.solve(p)) for p in _PENALTIES]
    return _solver(inputs, targets).solve(_PENALTIES[int(np.argmax(scores))])


def ridge_behind(inputs: Array, targets: Array, *, removed: int) -> tuple[Array, Array]:
    """Like `ridge`, but without the inputs' strongest principal directions.

    Those separate questions from statements and long texts from short ones. With few texts, the
    regression would use little else; experiment 6 has the figures.

    Args:
        inputs: (n, d).
        targets: (n, dim), unit norm.
        removed: Number of directions to leave out.
    """
    mean = inputs.mean(axis=0, dtype=np.float64)
    centred = inputs - mean
    strongest = _principal(centred, removed)  # (removed, d)
    rest = (centred - (centred @ strongest.T) @ strongest).astype(np.float32)
    weight, bias = ridge(rest, targets)
    weight -= ((weight @ strongest.T) @ strongest).astype(np.float32)
    return weight, (bias - weight @ mean).astype(np.float32)


def _principal(centred: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Directions of largest variance, (count, d), from the smaller of the two Gram matrices."""
    n, d = centred.shape
    if n < d:
        values, vectors = np.linalg.eigh(centred @ centred.T)
        directions = centred.T @ vectors[:, n - count :]
        norms = np.sqrt(values[n - count :].clip(min=np.finfo(np.float64).tiny))
        return np.asarray((directions / norms).T)
    return np.asarray(np.linalg.eigh(centred.T @ centred)[1][:, d - count :].T)


def _solver(inputs: Array, targets: Array) -> _Gram | _Kernel:
    return (_Kernel if len(inputs) < inputs.shape[1] else _Gram)(inputs, targets)


class _Gram:
    """The eigenbasis of the centred inputs: each penalty's solution is one matrix product."""

    def __init__(self, inputs: Array, targets: Array) -> None:
        self.input_mean = inputs.mean(axis=0, dtype=np.float64)
        self.target_mean = targets.mean(axis=0, dtype=np.float64)
        x = inputs - self.input_mean
        self.values, self.vectors = np.linalg.eigh(x.T @ x / len(x))
        self.cross = self.vectors.T @ (x.T @ (targets - self.target_mean) / len(x))

    def solve(self, penalty: float) -> tuple[Array, Array]:
        shrink = self.values.clip(min=0) + penalty * self.values.mean()
        weight = (self.vectors @ (self.cross / shrink[:, None])).T
        bias = self.target_mean - weight @ self.input_mean
        return weight.astype(np.float32), bias.astype(np.float32)


class _Kernel:
    """The dual form, for fewer texts than dimensions."""

    def __init__(self, inputs: Array, targets: Array) -> None:
        self.input_mean = inputs.mean(axis=0, dtype=np.float64)
        self.target_mean = targets.mean(axis=0, dtype=np.float64)
        self.x = inputs - self.input_mean
        n, d = self.x.shape
        self.values, self.vectors = np.linalg.eigh(self.x @ self.x.T / n)
        self.mean_variance = self.values.sum() / d
        self.inside = self.vectors.T @ (targets - self.target_mean) / n

    def solve(self, penalty: float) -> tuple[Array, Array]:
        shrink = self.values.clip(min=0) + penalty * self.mean_variance
        weight = (self.x.T @ (self.vectors @ (self.inside / shrink[:, None]))).T
        bias = self.target_mean - weight @ self.input_mean
        return weight.astype(np.float32), bias.astype(np.float32)


def _mean_cosine(inputs: Array, targets: Array, weight: Array, bias: Array) -> float:
    found = inputs @ weight.T + bias
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(targets, axis=1)
    return float(np.mean((found * targets).sum(axis=1) / norms))
