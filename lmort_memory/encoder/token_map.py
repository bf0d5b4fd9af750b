"""Late interaction: code each token in a few bytes, and compare questions with such codes.

A text's vector describes the text as a whole, so a long passage with one sentence that answers a
question is not very similar to the question. Late interaction finds, for each token of the
question, the nearest token of the text, and averages the cosines (MaxSim; Khattab and Zaharia 2020,
"ColBERT"). A token's vector is a linear map of the states that also make the text's vector: one
more matrix product, no further forward pass. Only its signs are stored: 128 of them, 16 bytes,
score within 0.001 of 128 floats (docs/experiments.md, experiment 19). The question keeps its
floats.

A token's weight in a question is also a linear map of its states, which predicts the token's log
idf (correlation 0.97) without a table of the vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmort_memory.blas import one_thread
from lmort_memory.types import AskedTokens, TokenCodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lmort_memory.encoder.config import TunerConfig
    from lmort_memory.types import HiddenStates

    Array = NDArray[np.float32]

__all__ = ["TokenMap", "token_scores"]

_MOST_ASKED = 64  # tokens of a question; of a longer one, those with the largest weights
_ROWS = 16_384  # tokens compared at once: 8 MB of signs


class TokenMap:
    """A tuner's map from the states of a token to its code. Immutable.

    Args:
        config: The tuner's configuration.
        weights: The tuner's weights, float32 by name.
        kind: Identity of the codes.
    """

    def __init__(self, config: TunerConfig, weights: Mapping[str, Array], kind: str) -> None:
        self.kind = kind
        self.bits = config.token_bits
        self._layers = config.layers
        mean = np.concatenate([weights[f"stats.{k}.mean"] for k in self._layers])
        std = np.concatenate([weights[f"stats.{k}.std"] for k in self._layers])
        both = np.concatenate([weights["tokens.weight"], weights["salience.weight"]]) / std
        bias = np.concatenate([weights["tokens.bias"], weights["salience.bias"]])
        # The means are summed in float64: some dimensions' are hundreds of times their spread.
        self._bias = (bias - both.astype(np.float64) @ mean.astype(np.float64)).astype(np.float32)
        self._weights = np.split(np.ascontiguousarray(both.T), len(self._layers))

    def codes(self, states: HiddenStates) -> NDArray[np.uint8]:
        """Return the codes of a text's tokens, uint8 (n_tokens, bits / 8)."""
        return np.packbits(self._mapped(states)[:, : self.bits] > 0, axis=1)

    def asked(self, states: Sequence[HiddenStates]) -> AskedTokens:
        """Return the tokens of a question of one or more chunks."""
        mapped = np.concatenate([self._mapped(one) for one in states])
        if len(mapped) > _MOST_ASKED:  # keep those with the largest weights, in order
            mapped = mapped[np.sort(np.argsort(-mapped[:, self.bits], kind="stable")[:_MOST_ASKED])]
        weights = np.logaddexp(0, mapped[:, self.bits])  # positive, and linear where it is large
        weights = (weights / weights.sum()).astype(np.float32)
        return AskedTokens(_unit(mapped[:, : self.bits]), weights)

    def vectors(self, states: HiddenStates) -> Array:
        """Return the vectors of a text's tokens before reduction to signs; unit norm."""
        return _unit(self._mapped(states)[:, : self.bits])

    def scores(self, asked: AskedTokens, codes: Sequence[TokenCodes]) -> Array:
        """Compare a question with texts, float32 (len(codes),), each by its best chunk.

        Raises:
            ValueError: the codes are of another kind.
        """
        return token_scores(asked, codes, kind=self.kind)

    def _mapped(self, states: HiddenStates) -> Array:
        """Map the states of each token: float32 (n_tokens, bits + 1), with the log idf last."""
        mapped = np.repeat(self._bias[None], len(states.tokens), axis=0)
        with one_thread():
            for layer, weight in zip(self._layers, self._weights, strict=True):
                mapped += states.layer(layer) @ weight
        return mapped


def token_scores(asked: AskedTokens, codes: Sequence[TokenCodes], *, kind: str) -> Array:
    """Compare a question with texts, float32 (len(codes),), each by its best chunk.

    Needs no model: the question's vectors and the codes are all there is to it.

    Raises:
        ValueError: the codes are of another kind.
    """
    if other := {one.kind for one in codes} - {kind}:
        raise ValueError(f"found token codes of {sorted(other)}; expected {kind}")
    chunks = [chunk for one in codes for chunk in one.chunks]
    if not chunks:
        return np.zeros(0, np.float32)
    with one_thread():
        of_chunks = np.concatenate([_compared(asked, some) for some in _runs(chunks)])
    first = np.cumsum([0, *(len(one.chunks) for one in codes[:-1])])
    best: Array = np.maximum.reduceat(of_chunks, first).astype(np.float32)
    return best


def _compared(asked: AskedTokens, chunks: Sequence[NDArray[np.uint8]]) -> Array:
    """Compare a question with chunks, (len(chunks),)."""
    signs = np.unpackbits(np.concatenate(chunks), axis=1).astype(np.float32)
    # a · (2 s - 1) = 2 a · s - sum(a): products of the unpacked zeros and ones.
    n_bits = asked.vectors.shape[1]
    cosines = (2 * (signs @ asked.vectors.T) - asked.vectors.sum(axis=1)) / np.sqrt(n_bits)
    starts = np.cumsum([0, *(len(chunk) for chunk in chunks[:-1])])
    best: Array = np.maximum.reduceat(cosines, starts, axis=0) @ asked.weights
    return best


def _unit(vectors: Array) -> Array:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return unit


def _runs(chunks: Sequence[NDArray[np.uint8]]) -> Iterator[list[NDArray[np.uint8]]]:
    """Split into runs of at most `_ROWS` tokens (a single chunk may exceed it)."""
    run: list[NDArray[np.uint8]] = []
    rows = 0
    for chunk in chunks:
        if run and rows + len(chunk) > _ROWS:
            yield run
            run, rows = [], 0
        run.append(chunk)
        rows += len(chunk)
    if run:
        yield run
