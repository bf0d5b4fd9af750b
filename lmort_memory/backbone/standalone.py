"""Stand-alone encoding: many short texts per decode, stopping after the highest layer needed.

The texts share the KV cells of one prefix. After the highest layer needed, the eval callback ends
the graph (the early exit), so the KV cells above it are never written. That is why this context is
used for nothing else. Only the inference thread runs this code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmort_memory.backbone.context import Context, ContextSize
from lmort_memory.backbone.layers import LayerNames
from lmort_memory.errors import BackboneError

N_BATCH = 512  # most tokens per decode
# llama.cpp's attention covers the cells in use, rounded up to 256, whether a token's sequence owns
# them or not. So texts share a decode only as long as they and the prefix fit into 256 cells: with
# 512 tokens a third of the time went into masked attention, with 253 a sixth.
N_CELLS = 256
FEWEST = 128  # tokens per decode, however long the prefix: shorter batches waste the products
N_SEQUENCES = 32  # sequences per decode: a turn has about 40 tokens
# If the last layer is captured, every row is an output, and llama.cpp keeps n_vocab floats for
# each: 32 rows of SmolLM2's vocabulary take 6 MB, a whole batch would take 96 MB.
N_BATCH_LAST_LAYER = 32


@dataclass(slots=True)
class _Group:
    """Texts that share one decode."""

    texts: list[Sequence[int]] = field(default_factory=list)
    n_tokens: int = 0


class StandAlone:
    """Captures layers of token sequences behind a fixed prefix."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 — llama_model_p
        names: LayerNames,
        *,
        prefix: Sequence[int],
        n_ctx: int,
        n_threads: int,
        shares_prefix: bool,
    ) -> None:
        """`shares_prefix` is False for recurrent models, whose sequences cannot share cells."""
        self._model = model
        self._names = names
        self._n_threads = n_threads
        self._n_ctx = n_ctx
        self._shares_prefix = shares_prefix
        self._prefix = tuple(prefix)
        self._prefix_depth = -1  # the layer up to which the prefix's cells are written
        self._context: Context | None = None
        self.tokens_evaluated = 0

    @property
    def longest(self) -> int:
        """Maximum tokens per text."""
        return self._n_ctx - len(self._prefix)

    @property
    def context(self) -> Context | None:
        """The context, or None if it is not open."""
        return self._context

    def groups(self, texts: Iterable[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
        """Split token sequences, in order, into groups that each fit in one decode.

        A text longer than a decode forms a group of its own.
        """
        group = _Group()
        limit = N_SEQUENCES - 1 if self._shares_prefix else 1
        most = min(max(N_CELLS - len(self._prefix), FEWEST), self.longest)
        for text in texts:
            full = group.n_tokens + len(text) > most or len(group.texts) == limit
            if group.texts and full:
                yield group.texts
                group = _Group()
            group.texts.append(text)
            group.n_tokens += len(text)
        if group.texts:
            yield group.texts

    def states(
        self, texts: Sequence[Sequence[int]], layers: Sequence[int]
    ) -> list[NDArray[np.float32]]:
        """Return the states of one group of texts, each float32 (len(layers), T, n_embd).

        Raises:
            BackboneError: a layer did not appear for every token.
        """
        context = self._open(layers)
        upper = max(layers)
        names = self._names.of(layers)
        context.capture.want(names, exit_after=self._names.of([upper])[0])
        try:
            if not self._shares_prefix:
                (text,) = texts
                return [self._alone(context, text, names)]
            self._write_prefix(context, names, upper)
            return self._together(context, texts, names)
        finally:
            for sequence in range(1, len(texts) + 1):
                context.truncate(sequence, -1)

    def states_of_tokens(self, tokens: Sequence[int], layers: Sequence[int]) -> NDArray[np.float32]:
        """Return the states of exactly these tokens, without a prefix."""
        context = self._open(layers)
        names = self._names.of(layers)
        context.capture.want(names, exit_after=self._names.of([max(layers)])[0])
        try:
            return self._decode(context, tokens, range(len(tokens)), 1, names)
        finally:
            context.truncate(1, -1)

    def close(self) -> None:
        """Free the context; the next use opens another."""
        if self._context is not None:
            self._context.close()
            self._context = None
            self._prefix_depth = -1

    def _open(self, layers: Sequence[int]) -> Context:
        """Return a context with enough outputs for these layers."""
        last = max(layers) == len(self._names.names) - 1
        n_batch = min(N_BATCH_LAST_LAYER if last else N_BATCH, self._n_ctx)
        size = ContextSize(
            n_ctx=self._n_ctx,
            n_batch=n_batch,
            n_sequences=N_SEQUENCES if self._shares_prefix else 2,
            n_outputs=n_batch if last else 1,
        )
        if self._context is not None and self._context.size != size:
            self.close()
        if self._context is None:
            self._context = Context(self._model, size, n_threads=self._n_threads)
        return self._context

    def _write_prefix(self, context: Context, names: Sequence[str], upper: int) -> None:
        """Make sure sequence 0 holds the prefix, with cells up to the layer needed now."""
        if self._prefix_depth >= upper or not self._prefix:
            return
        context.truncate(0, -1)
        self._prefix_depth = -1
        self._decode(context, self._prefix, range(len(self._prefix)), 0, names)
        self._prefix_depth = upper

    def _together(
        self, context: Context, texts: Sequence[Sequence[int]], names: Sequence[str]
    ) -> list[NDArray[np.float32]]:
        start = len(self._prefix)
        for sequence in range(1, len(texts) + 1):
            context.copy(0, sequence, start)
        lengths = [len(text) for text in texts]
        tokens = np.concatenate([np.asarray(text, np.int32) for text in texts])
        positions = np.concatenate([np.arange(start, start + n, dtype=np.int32) for n in lengths])
        sequences = np.repeat(np.arange(1, len(texts) + 1, dtype=np.int32), lengths)
        states = self._decode(context, tokens, positions, sequences, names)
        return np.split(states, np.cumsum(lengths)[:-1], axis=1)

    def _alone(
        self, context: Context, text: Sequence[int], names: Sequence[str]
    ) -> NDArray[np.float32]:
        tokens = [*self._prefix, *text]
        states = self._decode(context, tokens, range(len(tokens)), 1, names)
        return states[:, len(self._prefix) :]

    def _decode(
        self,
        context: Context,
        tokens: Sequence[int] | NDArray[np.int32],
        positions: Sequence[int] | NDArray[np.int32],
        sequences: NDArray[np.int32] | int,
        names: Sequence[str],
    ) -> NDArray[np.float32]:
        """Decode in steps of n_batch and return the states, float32 (len(names), n, n_embd)."""
        n, step = len(tokens), context.size.n_batch
        outputs = slice(None) if context.size.n_outputs > 1 else None
        parts: list[NDArray[np.float32]] = []
        for i in range(0, n, step):
            part = slice(i, min(i + step, n))
            rows = sequences if isinstance(sequences, int) else sequences[part]
            context.decode(tokens[part], positions[part], rows, outputs=outputs)
            parts.append(captured(context, names, part.stop - i))
        self.tokens_evaluated += n
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def captured(context: Context, names: Sequence[str], n_tokens: int) -> NDArray[np.float32]:
    """Return these tensors from the last decode, float32 (len(names), n_tokens, n_embd).

    Raises:
        BackboneError: a tensor did not appear, or not for every token.
    """
    rows = [context.rows(name) for name in names]
    for name, found in zip(names, rows, strict=True):
        if len(found) != n_tokens:
            raise BackboneError(
                f"the graph produced {len(found)} rows of {name!r} for {n_tokens} tokens — "
                "that layer of this model cannot be captured; choose another layer or model"
            )
    return np.stack(rows)
