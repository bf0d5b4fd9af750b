"""LMORT in NumPy: from a text's captured hidden states to one unit vector.

This forward pass runs in the product; `lmort_memory.tuners.train.model` is its torch twin for
training, and a test compares the two. It works on arrays: no llama.cpp, no torch, no SQL.

Two things are folded into the weights at load, so that a 40-token turn costs a few matrix products:
the standardisation of the states (into the first map after it), and the keys and values of every
block's cross-attention (one product for all blocks, because all read the same states). Texts of
different lengths are stacked row by row: every product runs on all rows at once, and only attention
runs text by text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from lmort_memory.blas import one_thread
from lmort_memory.encoder.artifact import Artifact, TunerCard, read_artifact
from lmort_memory.encoder.config import LAYER_NORM_EPS, TunerConfig
from lmort_memory.encoder.in_chat import added_by_chat
from lmort_memory.encoder.lexicon import lexicon_of
from lmort_memory.encoder.token_map import TokenMap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from lmort_memory.types import HiddenStates

    Array = NDArray[np.float32]

__all__ = ["TextOf", "Tuner"]

TextOf = Callable[[Sequence[int]], str]
"""A detokenizer: from a text's tokens to the text."""

_LARGE = 20_000_000  # parameters above which BLAS threads pay off
_PACKED_ROWS = 4096  # tokens handled at once: bounds scratch memory to some 10 MB per 1,000 columns


@dataclass(frozen=True, slots=True)
class _Linear:
    """A map x @ weight + bias; `weight` is (inputs, outputs)."""

    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        y = x @ self.weight
        y += self.bias
        return y


@dataclass(frozen=True, slots=True)
class _Norm:
    """Layer normalisation, in place."""

    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        x -= x.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
        x /= np.sqrt(variance + np.float32(LAYER_NORM_EPS))[:, None]
        x *= self.weight
        x += self.bias
        return x


@dataclass(frozen=True, slots=True)
class _Projection:
    """States into the inner width: standardise, then apply zero, one or two maps (an MLP).

    `shift` and `scale` are None if the standardisation is folded into `maps[0]`.
    """

    maps: tuple[_Linear, ...]
    shift: Array | None
    scale: Array | None

    def __call__(self, states: Array) -> Array:
        if self.shift is not None and self.scale is not None:
            return (states - self.shift) * self.scale
        x = self.maps[0](states)
        for linear in self.maps[1:]:
            np.maximum(x, 0, out=x)
            x = linear(x)
        return x


@dataclass(frozen=True, slots=True)
class _Block:
    """One LMORT block; the cross-attention parts are None in the ablation modes."""

    qkv: _Linear
    attn_out: _Linear
    attn_norm: _Norm
    cross_q: _Linear | None
    cross_out: _Linear | None
    cross_norm: _Norm | None
    up: _Linear
    down: _Linear
    ff_norm: _Norm


class Tuner:
    """A loaded tuner. Immutable after construction and safe to share between threads."""

    def __init__(self, artifact: Artifact, text_of: TextOf | None = None) -> None:
        """Fold the weights of an artifact for use.

        Args:
            artifact: The tuner.
            text_of: The model's detokenizer, which a tuner with word vectors needs.

        Raises:
            TunerMismatchError: it adds word vectors that this version does not have.
        """
        self._card = artifact.card
        config, weights = artifact.card.config, artifact.weights
        self._blocks = tuple(_block(config, weights, i) for i in range(config.n_layer))
        self._limit = one_thread if config.n_parameters < _LARGE else nullcontext
        self._first = self._second = self._context = None
        self._pooled = self._output = self._own = None
        self._text_of = text_of
        self._lexicon = lexicon_of(config) if config.lexicon else None
        self._share = weights["lexicon.share"] if config.lexicon else None
        self.added_by_chat = added_by_chat(artifact)
        self.token_map = (
            TokenMap(config, weights, artifact.card.tokens) if config.token_bits else None
        )
        if config.n_layer:
            self._first = _projection(config, weights, "first", config.first_layer)
            if config.second_layer is not None:
                self._second = _projection(config, weights, "second", config.second_layer)
                self._context = _all_keys_and_values(config, weights)
        if config.has_output:
            self._output = _linear(weights, "output")
        if config.pooled_layers:
            self._pooled = _folded_pooled(weights, "pooled", config.pooled_layers)
        if config.own_layers:
            self._own = _folded_pooled(weights, "own", config.own_layers)
            self._kept = weights["kept.weight"].T

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a tuner file.

        Raises:
            TunerError: the file is missing, damaged, or of a newer format.
        """
        return cls(read_artifact(Path(path)))

    def reading(self, text_of: TextOf) -> Self:
        """Return this tuner with a model's detokenizer, for the words of texts."""
        tuner = copy(self)
        tuner._text_of = text_of
        return tuner

    @property
    def config(self) -> TunerConfig:
        """The sizes and connections."""
        return self._card.config

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that `encode` needs, ascending."""
        return self.config.layers

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.config.dim

    @property
    def fingerprint(self) -> str:
        """Identity of weights and shape."""
        return self._card.fingerprint

    @property
    def card(self) -> TunerCard:
        """The metadata of the tuner's file."""
        return self._card

    @property
    def provenance(self) -> Mapping[str, str]:
        """How the tuner was made: recipe, data, teacher, licences, steps, date."""
        return self._card.provenance

    def encode(self, states: HiddenStates) -> Array:
        """Turn the states of one text into a unit vector, float32 (dim,).

        Raises:
            ValueError: there are no tokens, a needed layer was not captured, or the width differs.
        """
        vector: Array = self.encode_batch([states])[0]
        return vector

    def encode_batch(self, batch: Sequence[HiddenStates]) -> Array:
        """Turn the states of several texts into unit vectors, float32 (len(batch), dim).

        Texts may have different lengths; nothing is padded, and rows do not influence each other.

        Raises:
            ValueError: as for `encode`.
        """
        return _to_unit(self.outputs(batch))

    def outputs(self, batch: Sequence[HiddenStates]) -> Array:
        """Return the vectors before they are normalised, float32 (len(batch), dim).

        Raises:
            ValueError: as for `encode`.
        """
        vectors = np.empty((len(batch), self.dim), dtype=np.float32)
        start = 0
        with self._limit():
            for group in _packs(batch):
                vectors[start : start + len(group)] = self._run_packed(group)
                start += len(group)
        return vectors

    def _run_packed(self, group: Sequence[HiddenStates]) -> Array:
        """Run texts whose rows fit in one pack: (n, dim)."""
        for states in group:
            self._check(states)
        bounds = np.cumsum([0] + [len(states.tokens) for states in group])
        vectors = np.zeros((len(group), self.config.inner_dim), dtype=np.float32)
        means = _means(group, {*self.config.pooled_layers, *self.config.own_layers})
        if self._pooled is not None:
            vectors += self._pooled(_side_by_side(means, self.config.pooled_layers))
        if self._blocks:
            x = self._run_blocks(group, bounds)
            pooled: Array = np.add.reduceat(x, bounds[:-1], axis=0)
            pooled /= np.diff(bounds).astype(np.float32)[:, None]
            vectors += pooled if self._output is None else self._output(pooled)
        if self._share is not None:
            vectors = _to_unit(vectors) + self._share * self._words(group)
        if self._own is not None:
            # Without a network the length says how many of the words are known.
            fitted = _to_unit(vectors) if self.config.has_network else vectors
            vectors = fitted @ self._kept
            vectors += self._own(_side_by_side(means, self.config.own_layers))
        return vectors

    def _words(self, group: Sequence[HiddenStates]) -> Array:
        """Return the word vectors of texts, (n, dim)."""
        if self._text_of is None or self._lexicon is None:
            raise ValueError("this tuner reads words too: it needs the model's detokenizer")
        return self._lexicon.vectors([self._text_of(states.tokens) for states in group])

    def _check(self, states: HiddenStates) -> None:
        if not states.tokens:
            raise ValueError("cannot make a vector from an empty sequence of states")
        missing = [layer for layer in self.layers if layer not in states.layers]
        if missing:
            raise ValueError(f"layers {missing} were not captured; found {list(states.layers)}")
        expected = (len(states.layers), len(states.tokens), self.config.n_embd)
        if states.states.shape != expected:
            raise ValueError(f"states must be {expected}; found {states.states.shape}")

    def _run_blocks(self, group: Sequence[HiddenStates], bounds: NDArray[np.int_]) -> Array:
        """Run the LMORT blocks over packed rows: (rows, width)."""
        config = self.config
        assert self._first is not None  # there are blocks
        x = self._first(_packed_rows(group, config.first_layer))
        context = None
        if (
            self._second is not None
            and self._context is not None
            and config.second_layer is not None
        ):
            context = self._context(self._second(_packed_rows(group, config.second_layer)))
        for index, block in enumerate(self._blocks):
            kv = None
            if context is not None:
                kv = context[:, 2 * config.width * index : 2 * config.width * (index + 1)]
            x = self._run_block(block, x, kv, bounds)
        return x

    def _run_block(
        self, block: _Block, x: Array, kv: Array | None, bounds: NDArray[np.int_]
    ) -> Array:
        """Three sub-layers, each followed by its residual and norm (Eq. 7 and 8)."""
        width, heads = self.config.width, self.config.n_head
        qkv = block.qkv(x)
        attended = _attention(qkv[:, :width], qkv[:, width:], bounds, heads)
        x = _add_and_norm(block.attn_out(attended), x, block.attn_norm)
        if kv is not None and block.cross_q and block.cross_out and block.cross_norm:
            attended = _attention(block.cross_q(x), kv, bounds, heads)
            x = _add_and_norm(block.cross_out(attended), x, block.cross_norm)
        inner = block.up(x)
        np.maximum(inner, 0, out=inner)
        return _add_and_norm(block.down(inner), x, block.ff_norm)


def _to_unit(vectors: Array) -> Array:
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    vectors /= np.maximum(norms, np.finfo(np.float32).tiny)[:, None]
    return vectors


def _add_and_norm(update: Array, residual: Array, norm: _Norm) -> Array:
    update += residual
    return norm(update)


def _attention(q: Array, kv: Array, bounds: NDArray[np.int_], heads: int) -> Array:
    """Bidirectional attention within each text: q (rows, w), kv (rows, 2w) -> (rows, w).

    The views below stay strided: BLAS takes the row stride as its leading dimension.
    """
    rows, width = q.shape
    q = (q * np.float32((width // heads) ** -0.5)).reshape(rows, heads, width // heads)
    k, v = kv.reshape(rows, 2, heads, width // heads).transpose(1, 0, 2, 3)
    attended = np.empty((rows, heads, width // heads), dtype=np.float32)
    for start, end in pairwise(bounds):
        scores = q[start:end].transpose(1, 0, 2) @ k[start:end].transpose(1, 2, 0)  # (H, T, T)
        scores -= scores.max(axis=2, keepdims=True)
        np.exp(scores, out=scores)
        values = scores @ v[start:end].transpose(1, 0, 2)  # (H, T, d)
        values /= scores.sum(axis=2, keepdims=True)
        attended[start:end] = values.transpose(1, 0, 2)
    return attended.reshape(rows, width)


def _packs(batch: Sequence[HiddenStates]) -> Iterator[list[HiddenStates]]:
    """Split a batch into packs of at most `_PACKED_ROWS` tokens (a single text may exceed it)."""
    group: list[HiddenStates] = []
    rows = 0
    for states in batch:
        if group and rows + len(states.tokens) > _PACKED_ROWS:
            yield group
            group, rows = [], 0
        group.append(states)
        rows += len(states.tokens)
    if group:
        yield group


def _packed_rows(group: Sequence[HiddenStates], layer: int) -> Array:
    """States of one layer with the texts stacked, (rows, n_embd); a view for a single text."""
    if len(group) == 1:
        return group[0].layer(layer)
    return np.concatenate([states.layer(layer) for states in group])


def _means(group: Sequence[HiddenStates], layers: Iterable[int]) -> dict[int, Array]:
    """Mean over the tokens of each text, by layer: (n, n_embd)."""
    return {k: np.stack([states.layer(k).mean(axis=0) for states in group]) for k in layers}


def _side_by_side(means: Mapping[int, Array], layers: Sequence[int]) -> Array:
    return np.concatenate([means[k] for k in layers], axis=1)


def _linear(weights: Mapping[str, Array], name: str) -> _Linear:
    return _Linear(weights[f"{name}.weight"].T, weights[f"{name}.bias"])


def _norm(weights: Mapping[str, Array], name: str) -> _Norm:
    return _Norm(weights[f"{name}.weight"], weights[f"{name}.bias"])


def _standardised(linear: _Linear, mean: Array, std: Array) -> _Linear:
    """Fold (x - mean) / std into the map that follows it.

    The bias is summed in float64: a few dimensions of real models have means hundreds of times
    their spread.
    """
    scaled = linear.weight / std[:, None]
    bias = linear.bias - mean.astype(np.float64) @ scaled.astype(np.float64)
    return _Linear(scaled, bias.astype(np.float32))


def _projection(
    config: TunerConfig, weights: Mapping[str, Array], stream: str, layer: int
) -> _Projection:
    mean, std = weights[f"stats.{layer}.mean"], weights[f"stats.{layer}.std"]
    if not config.has_projection:
        return _Projection((), mean, np.float32(1) / std)
    names = (f"{stream}.hidden", f"{stream}.out") if config.n_reduce else (f"{stream}.out",)
    maps = [_linear(weights, name) for name in names]
    maps[0] = _standardised(maps[0], mean, std)
    return _Projection(tuple(maps), None, None)


def _folded_pooled(weights: Mapping[str, Array], name: str, layers: Sequence[int]) -> _Linear:
    mean = np.concatenate([weights[f"stats.{k}.mean"] for k in layers])
    std = np.concatenate([weights[f"stats.{k}.std"] for k in layers])
    return _standardised(_linear(weights, name), mean, std)


def _all_keys_and_values(config: TunerConfig, weights: Mapping[str, Array]) -> _Linear:
    """Join the keys and values of every block's cross-attention into one map."""
    parts = [_linear(weights, f"block.{i}.cross.kv") for i in range(config.n_layer)]
    return _Linear(
        np.concatenate([part.weight for part in parts], axis=1),
        np.concatenate([part.bias for part in parts]),
    )


def _block(config: TunerConfig, weights: Mapping[str, Array], index: int) -> _Block:
    prefix = f"block.{index}"
    crossed = config.second_layer is not None
    return _Block(
        qkv=_linear(weights, f"{prefix}.attn.qkv"),
        attn_out=_linear(weights, f"{prefix}.attn.out"),
        attn_norm=_norm(weights, f"{prefix}.attn_norm"),
        cross_q=_linear(weights, f"{prefix}.cross.q") if crossed else None,
        cross_out=_linear(weights, f"{prefix}.cross.out") if crossed else None,
        cross_norm=_norm(weights, f"{prefix}.cross_norm") if crossed else None,
        up=_linear(weights, f"{prefix}.ff.up"),
        down=_linear(weights, f"{prefix}.ff.down"),
        ff_norm=_norm(weights, f"{prefix}.ff_norm"),
    )
