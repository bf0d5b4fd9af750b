"""Late interaction: a code of a few bytes for each token, and how a question meets such codes.

A text's one vector says what it is about as a whole; a passage that answers in one sentence is
little like the question. So each token of a question looks for its nearest token in the text, and
the cosines are averaged (MaxSim; Khattab and Zaharia 2020, "ColBERT"). The token's vector is a
linear map of the states that make the text's vector, so it costs one more matrix product and no
pass of the model. What is stored of it are its signs: 128 of them, 16 bytes, found all but 0.001 of
what 128 floats did (docs/experiments.md, experiment 19). The question keeps its floats.

How much a token of a question counts is read from its states too: a linear map of them predicts how
rare the token is (its log idf, with a correlation of 0.97), which needs no table of a vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmort_memory.types import AskedTokens, TokenCodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lmort_memory.encoder.config import TunerConfig
    from lmort_memory.types import HiddenStates

    Array = NDArray[np.float32]

__all__ = ["TokenMap"]

_MOST_ASKED = 64  # tokens of a question; a pasted page is compared by those that tell most
_ROWS = 16_384  # tokens compared at once: 8 MB of signs


class TokenMap:
    """The map of a tuner from the states of a token to its code. Immutable.

    Args:
        config: Of the tuner.
        weights: Of the tuner, float32 by name.
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
        """Return the tokens of a question, which may be of several chunks."""
        mapped = np.concatenate([self._mapped(one) for one in states])
        if len(mapped) > _MOST_ASKED:  # those that tell most, in order
            mapped = mapped[np.sort(np.argsort(-mapped[:, self.bits], kind="stable")[:_MOST_ASKED])]
        weights = np.logaddexp(0, mapped[:, self.bits])  # positive, and linear where it is large
        weights = (weights / weights.sum()).astype(np.float32)
        return AskedTokens(_unit(mapped[:, : self.bits]), weights)

    def vectors(self, states: HiddenStates) -> Array:
        """Return the vectors of a text's tokens before they are cut down to signs, unit norm."""
        return _unit(self._mapped(states)[:, : self.bits])

    def scores(self, asked: AskedTokens, codes: Sequence[TokenCodes]) -> Array:
        """Compare a question with texts, float32 (len(codes),): of several chunks the best counts.

        Raises:
            ValueError: codes of another kind.
        """
        if other := {one.kind for one in codes} - {self.kind}:
            raise ValueError(f"found token codes of {sorted(other)}; expected {self.kind}")
        chunks = [chunk for one in codes for chunk in one.chunks]
        if not chunks:
            return np.zeros(0, np.float32)
        of_chunks = np.concatenate([self._compared(asked, some) for some in _runs(chunks)])
        first = np.cumsum([0, *(len(one.chunks) for one in codes[:-1])])
        best: Array = np.maximum.reduceat(of_chunks, first).astype(np.float32)
        return best

    def _compared(self, asked: AskedTokens, chunks: Sequence[NDArray[np.uint8]]) -> Array:
        """Compare a question with chunks, (len(chunks),)."""
        signs = np.unpackbits(np.concatenate(chunks), axis=1).astype(np.float32)
        # a · (2 s - 1) = 2 a · s - sum(a): the products run on zeros and ones as they are unpacked.
        cosines = (2 * (signs @ asked.vectors.T) - asked.vectors.sum(axis=1)) / np.sqrt(self.bits)
        starts = np.cumsum([0, *(len(chunk) for chunk in chunks[:-1])])
        best: Array = np.maximum.reduceat(cosines, starts, axis=0) @ asked.weights
        return best

    def _mapped(self, states: HiddenStates) -> Array:
        """Map the states of each token: float32 (n_tokens, bits + 1), the salience last."""
        mapped = np.repeat(self._bias[None], len(states.tokens), axis=0)
        for layer, weight in zip(self._layers, self._weights, strict=True):
            mapped += states.layer(layer) @ weight
        return mapped


def _unit(vectors: Array) -> Array:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return unit


def _runs(chunks: Sequence[NDArray[np.uint8]]) -> Iterator[list[NDArray[np.uint8]]]:
    """Cut into runs of at most `_ROWS` tokens (one chunk may be longer)."""
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
