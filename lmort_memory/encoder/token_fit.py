"""Fit a token map in closed form from a sample of states: seconds, any model, no labelled pairs.

The directions that turn pooled states into a tuner's vector also describe what a single token is
about. Applied to the token's own states they give a wide vector, which is reduced to its principal
axes; the signs along those become the code (`token_map`). Ridge regression from the same states to
the token's log idf gives its weight in a question.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lmort_memory.encoder.artifact import Artifact
    from lmort_memory.types import HiddenStates

    Array = NDArray[np.float32]

__all__ = ["TOKEN_BITS", "TokenSample", "with_tokens", "with_tokens_of"]

TOKEN_BITS: Final = 128  # more bits hardly helped, 64 lost 0.003 (experiment 19)
_PER_TEXT: Final = 8  # sampled tokens per text, evenly spread
_PENALTY: Final = 0.3  # of the ridge regression, times the variance of a standardised dimension


class TokenSample:
    """Samples states of tokens from a stream of texts, and counts the texts with each token.

    Attributes:
        n_texts: Texts seen.
    """

    def __init__(self) -> None:
        self.n_texts = 0
        self._rows: list[NDArray[np.float16]] = []
        self._tokens: list[int] = []
        self._texts_with: Counter[int] = Counter()
        self._layers: tuple[int, ...] = ()

    def watch(self, captured: Iterable[HiddenStates]) -> Iterator[HiddenStates]:
        """Yield the texts unchanged while sampling them."""
        for states in captured:
            count = min(_PER_TEXT, len(states.tokens))
            chosen = np.linspace(0, len(states.tokens) - 1, count).astype(np.int64)
            limit = np.finfo(np.float16).max
            self._rows.append(states.states[:, chosen].clip(-limit, limit).astype(np.float16))
            self._tokens += [states.tokens[i] for i in chosen]
            self._texts_with.update(set(states.tokens))
            self._layers = states.layers
            self.n_texts += 1
            yield states

    def rows(self, layers: Iterable[int]) -> list[Array]:
        """Return the sampled states of each of these layers, float32 (n, n_embd)."""
        both = np.concatenate(self._rows, axis=1)
        return [both[self._layers.index(layer)].astype(np.float32) for layer in layers]

    def rarity(self) -> Array:
        """Return the log idf of each sampled token, float32 (n,)."""
        found = np.array([self._texts_with[token] for token in self._tokens])
        rare: Array = np.log((self.n_texts + 1) / (found + 1)).astype(np.float32)
        return rare


def with_tokens(artifact: Artifact, sample: TokenSample, *, bits: int = TOKEN_BITS) -> Artifact:
    """Add a token map to a tuner, without changing its vectors or its space.

    Args:
        artifact: The tuner; its `own_layers` or `pooled_layers` must cover all of its layers.
        sample: A sample at the tuner's layers, or more.
        bits: Bits per code; fewer if the tuner has fewer directions.
    """
    config, weights = artifact.card.config, artifact.weights
    wide = weights["own.weight"] if config.own_layers else weights["pooled.weight"]
    if (config.own_layers or config.pooled_layers) != config.layers:
        raise ValueError(f"own_layers or pooled_layers must be all layers {config.layers}")
    mean_of_states, std = _scales(artifact)
    rows = (np.concatenate(sample.rows(config.layers), axis=1) - mean_of_states) / std
    projected = rows @ wide.T
    mean = projected.mean(axis=0)
    covariance = np.cov((projected - mean).T)
    kept = min(bits, len(wide) // 8 * 8)
    axes = np.linalg.eigh(covariance)[1][:, ::-1][:, :kept] / np.sqrt(np.trace(covariance))
    salience, middle = _salience(rows, sample.rarity())
    maps = {
        "tokens.weight": axes.T @ wide,
        "tokens.bias": -(axes.T @ mean),
        "salience.weight": salience[None],
        "salience.bias": np.array([middle]),
    }
    card = replace(artifact.card, config=replace(config, token_bits=kept))
    added = {name: value.astype(np.float32) for name, value in maps.items()}
    return replace(artifact, card=card, weights={**weights, **added})


def with_tokens_of(artifact: Artifact, other: Artifact) -> Artifact:
    """Take over the token map of another tuner that reads the same layers of the same model.

    Its codes stay as they are: only the scale on which its maps expect the states is changed.

    Raises:
        ValueError: the other tuner has no token map, or reads other layers.
    """
    config, theirs = artifact.card.config, other.card.config
    if not theirs.token_bits or config.layers != theirs.layers:
        raise ValueError(
            f"expected a token map of layers {config.layers}; found {theirs.token_bits} bits of"
            f" layers {theirs.layers}"
        )
    own_mean, own_std = _scales(artifact)
    mean, std = _scales(other)
    added = {}
    for name in ("tokens", "salience"):
        weight, bias = other.weights[f"{name}.weight"], other.weights[f"{name}.bias"]
        added[f"{name}.weight"] = (weight * (own_std / std)).astype(np.float32)
        added[f"{name}.bias"] = (bias + weight @ ((own_mean - mean) / std)).astype(np.float32)
    card = replace(artifact.card, config=replace(config, token_bits=theirs.token_bits))
    return replace(artifact, card=card, weights={**artifact.weights, **added})


def _scales(artifact: Artifact) -> tuple[Array, Array]:
    """Return mean and deviation of the states of all layers, one after the other."""
    layers, weights = artifact.card.config.layers, artifact.weights
    mean, std = (
        np.concatenate([weights[f"stats.{layer}.{name}"] for layer in layers])
        for name in ("mean", "std")
    )
    return mean, std


def _salience(rows: Array, rarity: Array) -> tuple[Array, float]:
    """Fit standardised states to the log idf of their tokens: weight (d,) and bias."""
    middle = float(rarity.mean())
    gram = rows.T @ rows / len(rows) + _PENALTY * np.eye(rows.shape[1], dtype=np.float32)
    weight: Array = np.linalg.solve(gram, rows.T @ (rarity - middle) / len(rows))
    return weight, middle
