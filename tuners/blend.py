"""The model's own directions beside the teacher's: the last step of a tuner, in closed form.

A tuner that was distilled says what its teacher would say, as far as it could learn it. The states
it reads say more: names, numbers, turns of phrase. Where there are labelled pairs, linear
discriminants find the directions in which a question and its answer agree while texts at large
differ (Fisher 1936, with a question and its answer as a class):

    S_total · v = λ · (S_within + penalty · mean variance) · v

Where there are none, the principal directions behind the first do (`encoder.untrained`). Both
vectors, with equal mean length, are put side by side and turned onto their principal axes. All of
it is linear, so it is folded into the maps that the tuner has: at run time it costs nothing.
Experiment 12 has the figures.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.encoder.artifact import Artifact
from lmort_memory.encoder.tuner import Tuner

from .closed_form import pooled_states

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from .states import StatesCache

    Array = NDArray[np.float32]

__all__ = ["DIRECTIONS", "PENALTY", "blend", "can_blend", "discriminants"]

DIRECTIONS: Final = 384
PENALTY: Final = 1.0  # 3 and 10 found less, 0.3 as much
_SAMPLE: Final = 4000  # texts that lengths and axes are taken from, spread over all
_AT_ONCE: Final = 64


def can_blend(artifact: Artifact) -> bool:
    """Whether all that a tuner puts out passes a linear map, into which a rotation can go."""
    config = artifact.card.config
    return bool(config.pooled_layers) and (config.has_output or not config.n_layer)


def blend(
    artifact: Artifact, cache: StatesCache, find: Callable[[Array], Array], *, share: float = 1.0
) -> Artifact:
    """Put directions of the pooled states beside what a tuner puts out.

    Args:
        artifact: The tuner.
        cache: States of texts.
        find: Gives the directions, (d, k), for the standardised pooled states of these, (n, d).
        share: Length of the directions' part beside 1 for the tuner's.

    Raises:
        ValueError: the tuner has no maps to fold into; see `can_blend`.
    """
    if not can_blend(artifact):
        raise ValueError("a blend needs a pooled path, and an output map where there are blocks")
    config, weights = artifact.card.config, artifact.weights
    stats = {
        layer: (weights[f"stats.{layer}.mean"], weights[f"stats.{layer}.std"])
        for layer in config.pooled_layers
    }
    inputs = pooled_states(cache, config.pooled_layers, stats)
    own, mean = find(inputs), inputs.mean(axis=0)
    sample = np.unique(np.linspace(0, len(inputs) - 1, _SAMPLE).astype(np.int64))
    outputs = _outputs(artifact, cache, sample)
    projected = (inputs[sample] - mean) @ own
    theirs, ours = _mean_length(outputs), _mean_length(projected) / share
    axes = _axes(np.concatenate([outputs / theirs, projected / ours], axis=1), config.dim)
    kept, added = axes[: config.dim] / theirs, own @ (axes[config.dim :] / ours)
    return replace(artifact, weights=_folded(weights, kept, added, mean))


def discriminants(questions: Array, answers: Array, count: int, penalty: float) -> Array:
    """Directions that tell pairs apart best, float32 (d, count).

    Args:
        questions: Pooled states, (n, d).
        answers: Those of the answer to each, (n, d).
        count: How many directions.
        penalty: Variance that is added within pairs, in units of its mean over dimensions.
    """
    within = (questions - answers).astype(np.float64)
    within -= within.mean(axis=0)
    sides = [side - side.mean(axis=0, dtype=np.float64) for side in (questions, answers)]
    total = sum(side.T @ side for side in sides) / (2 * len(questions))
    scatter = within.T @ within / (2 * len(questions))
    scatter += penalty * np.trace(scatter) / len(scatter) * np.eye(len(scatter))
    root = np.linalg.inv(np.linalg.cholesky(scatter))
    values = np.linalg.eigh(root @ total @ root.T)[1]
    found: Array = (root.T @ values[:, ::-1][:, :count]).astype(np.float32)
    return found


def _outputs(artifact: Artifact, cache: StatesCache, texts: NDArray[np.int64]) -> Array:
    """Return what the tuner puts out for some texts, before normalisation."""
    tuner = Tuner(artifact)
    parts = np.array_split(texts, range(_AT_ONCE, len(texts), _AT_ONCE))
    return np.concatenate([tuner.outputs([cache.get(int(i)) for i in part]) for part in parts])


def _mean_length(vectors: Array) -> float:
    return float(np.linalg.norm(vectors, axis=1).mean())


def _axes(vectors: Array, count: int) -> Array:
    """Principal axes of the unit vectors, float32 (width, count); the origin is the centre."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    axes: Array = np.linalg.eigh(unit.T @ unit)[1][:, ::-1][:, :count]
    return axes


def _folded(
    weights: Mapping[str, Array], kept: Array, added: Array, mean: Array
) -> dict[str, Array]:
    folded = dict(weights)
    for name in ("pooled", "output"):
        if f"{name}.weight" in weights:
            folded[f"{name}.weight"] = kept.T @ weights[f"{name}.weight"]
            folded[f"{name}.bias"] = kept.T @ weights[f"{name}.bias"]
    folded["pooled.weight"] = folded["pooled.weight"] + added.T
    folded["pooled.bias"] = folded["pooled.bias"] - mean @ added
    return folded
