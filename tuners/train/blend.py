"""Add the model's own directions to a distilled tuner: the last step, in closed form.

A distilled tuner approximates its teacher. The states it reads contain more: names, numbers, turns
of phrase. Given labelled pairs, linear discriminants find the directions in which a question and
its answer agree while other texts differ (Fisher 1936, with a question and its answer as a class):

    S_total · v = λ · (S_within + penalty · mean variance) · v

Without labelled pairs, the principal directions after the first few are used
(`encoder.untrained`). The tuner's unit vector and these directions are concatenated and projected
onto their first `dim` principal axes. At run time that is two small maps. Experiment 14 has the
figures, also for other scalings: normalising only the tuner's part was best.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.encoder.artifact import Artifact
from lmort_memory.encoder.lexicon import load_lexicon
from lmort_memory.errors import TunerError

from ..evaluate.held_out import encode_cache
from .closed_form import pooled_states

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lmort_memory.encoder.lmort import TextOf

    from ..states.cache import StatesCache

    Array = NDArray[np.float32]

__all__ = [
    "DIRECTIONS",
    "PENALTY",
    "blend",
    "discriminants",
    "inputs_of",
    "own_directions",
    "with_words",
]

DIRECTIONS: Final = 384
PENALTY: Final = 1.0  # 3 and 10 scored lower, 0.3 the same
_SAMPLE: Final = 4000  # evenly spread texts from which lengths and axes are computed


def blend(
    artifact: Artifact,
    cache: StatesCache,
    find: Callable[[Array], Array],
    *,
    share: float = 1.0,
    text_of: TextOf | None = None,
) -> Artifact:
    """Concatenate directions of the pooled states with a tuner's output.

    Args:
        artifact: The tuner.
        cache: States of texts at all layers that the tuner reads.
        find: Computes the directions, (d, k), from the standardised pooled states, (n, d).
        share: Mean length of the directions' part, relative to 1 for the tuner's.
        text_of: The model's detokenizer, which a tuner with word vectors needs.

    Raises:
        ValueError: the tuner already has such a part.
    """
    config, weights = artifact.card.config, artifact.weights
    if config.own_layers:
        raise ValueError(f"the tuner is already blended, from layers {config.own_layers}")
    inputs = inputs_of(artifact, cache)
    own, mean = find(inputs), inputs.mean(axis=0)
    sample = np.unique(np.linspace(0, len(inputs) - 1, _SAMPLE).astype(np.int64))
    projected = (inputs[sample] - mean) @ own
    own = own * np.float32(share / np.linalg.norm(projected, axis=1).mean())
    vectors = encode_cache(artifact, cache, sample, text_of=text_of)
    parts = [vectors, (inputs[sample] - mean) @ own]
    axes = _axes(np.concatenate(parts, axis=1), config.dim)
    added = own @ axes[config.dim :]
    maps = {
        "kept.weight": axes[: config.dim].T,
        "own.weight": added.T,
        "own.bias": -mean @ added,
    }
    card = replace(artifact.card, config=replace(config, own_layers=config.layers))
    return replace(artifact, card=card, weights={**weights, **maps})


def own_directions(artifact: Artifact) -> Array:
    """Return the map of a blended tuner's own directions, float32 (d, dim), in its vectors' axes.

    Raises:
        TunerError: the tuner has none.
    """
    if not artifact.card.config.own_layers:
        raise TunerError("the tuner has no own directions to take over — name one that is blended")
    found: Array = np.asarray(artifact.weights["own.weight"], np.float32).T
    return found


def with_words(artifact: Artifact, share: float) -> Artifact:
    """Let a tuner add the vectors of words (`encoder.lexicon`) to its own, not yet blended.

    Args:
        artifact: The tuner.
        share: Length of the words' vectors, beside 1 of the tuner's.
    """
    config = replace(artifact.card.config, lexicon=load_lexicon().identity)
    card = replace(artifact.card, config=config)
    added = {"lexicon.share": np.array([share], np.float32)}
    return Artifact(card, {**artifact.weights, **added})


def inputs_of(artifact: Artifact, cache: StatesCache) -> Array:
    """Return pooled states, standardised as the tuner does it: float32 (n_texts, L · n_embd)."""
    layers, weights = artifact.card.config.layers, artifact.weights
    stats = {k: (weights[f"stats.{k}.mean"], weights[f"stats.{k}.std"]) for k in layers}
    return pooled_states(cache, layers, stats)


def discriminants(questions: Array, answers: Array, count: int, penalty: float) -> Array:
    """Directions that separate pairs best, float32 (d, count).

    Args:
        questions: Pooled states, (n, d).
        answers: Pooled states of their answers, (n, d).
        count: Number of directions.
        penalty: Variance added within pairs, in units of its mean over dimensions.
    """
    sides = [side - side.mean(axis=0, dtype=np.float64) for side in (questions, answers)]
    width = questions.shape[1]
    basis: NDArray[np.float64] | None = None
    if 2 * len(questions) < width:  # what is found lies in the span of the rows: solve there
        basis = np.linalg.qr(np.concatenate(sides).T)[0]
        sides = [side @ basis for side in sides]
    within = sides[0] - sides[1]
    total = sum(side.T @ side for side in sides) / (2 * len(questions))
    scatter = within.T @ within / (2 * len(questions))
    scatter += penalty * np.trace(scatter) / width * np.eye(len(scatter))
    root = np.linalg.inv(np.linalg.cholesky(scatter))
    values = np.linalg.eigh(root @ total @ root.T)[1]
    directions = root.T @ values[:, ::-1][:, :count]
    found: Array = (directions if basis is None else basis @ directions).astype(np.float32)
    return found


def _axes(vectors: Array, count: int) -> Array:
    """Uncentred principal axes of the unit vectors, float32 (width, count)."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    axes: Array = np.linalg.eigh(unit.T @ unit)[1][:, ::-1][:, :count]
    return axes
