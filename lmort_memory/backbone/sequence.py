"""A conversation's tokens in the K/V cache: appended to, cut, captured, and continued by sampling.

Nothing is evaluated twice: `sync` keeps the longest common beginning of what is there and what is
wanted. Every method runs in the inference thread at chat priority.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lmort_memory.backbone._context import Context
from lmort_memory.backbone._layers import LayerNames
from lmort_memory.backbone._standalone import captured
from lmort_memory.backbone._thread import InferenceThread, Priority
from lmort_memory.backbone.sampling import Sampler, Sampling
from lmort_memory.errors import BackboneError

T = TypeVar("T")


class TokenSequence:
    """One sequence of tokens in a context of its own.

    `tokens_evaluated` counts every token that was run through the model here.
    """

    def __init__(
        self,
        context: Context,
        thread: InferenceThread,
        *,
        names: LayerNames,
        layers: Sequence[int],
        n_vocab: int,
    ) -> None:
        """Made by `Backbone.open_sequence`."""
        self._context = context
        self._thread = thread
        self._n_vocab = n_vocab
        self._tokens: list[int] = []
        self.layers = tuple(layers)
        self._names = names.of(self.layers)
        self._wants_last = len(names.names) - 1 in self.layers
        self.tokens_evaluated = 0

    @property
    def n_ctx(self) -> int:
        """Most tokens that fit."""
        return self._context.n_ctx

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens whose K/V cells are there."""
        return tuple(self._tokens)

    def sync(self, tokens: Sequence[int]) -> int:
        """Keep the beginning that `tokens` shares with what is there, cut the rest.

        Returns:
            How many tokens are kept; `tokens[kept:]` is what `extend` has to evaluate.
        """
        return self._run(lambda: self._sync(tokens))

    def extend(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Evaluate tokens after those that are there.

        Returns:
            Their states, float32 (len(layers), n, n_embd); with no layers wanted the first
            dimension is 0.

        Raises:
            BackboneError: they do not fit, or llama.cpp refused.
        """
        return self._run(lambda: self._extend(tokens))

    def sampler(self, options: Sampling) -> Sampler:
        """Return a sampler for one reply; the caller closes it."""
        return self._run(lambda: Sampler(options, self._n_vocab))

    def sample(self, sampler: Sampler) -> int:
        """Choose the next token from the logits of the last one evaluated."""
        return self._run(lambda: sampler.sample(self._context.handle))

    def close(self) -> None:
        """Free the context."""
        self._run(self._context.close)

    def _run(self, job: Callable[[], T]) -> T:
        return self._thread.run(job, Priority.CHAT)

    def _sync(self, tokens: Sequence[int]) -> int:
        kept = 0
        # The last token is evaluated again even where all are there: its logits are wanted.
        for have, want in zip(self._tokens, tokens[:-1], strict=False):
            if have != want:
                break
            kept += 1
        if kept < len(self._tokens):
            if not self._context.truncate(0, kept):
                kept = 0
            del self._tokens[kept:]
        return kept

    def _extend(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        start, n = len(self._tokens), len(tokens)
        if start + n > self.n_ctx:
            raise BackboneError(
                f"the context holds {self.n_ctx} tokens; {start} are there and {n} more do not "
                "fit — drop old turns or open a larger context"
            )
        self._context.capture.want(self._names, exit_after=None)
        parts: list[NDArray[np.float32]] = []
        step = self._context.size.n_outputs if self._wants_last else self._context.size.n_batch
        for i in range(0, n, step):
            part = tokens[i : i + step]
            outputs = slice(None) if self._wants_last else slice(-1, None)
            self._context.decode(part, range(start + i, start + i + len(part)), outputs=outputs)
            self._tokens.extend(part)
            self.tokens_evaluated += len(part)
            if self._names:
                parts.append(captured(self._context, self._names, len(part)))
        if not parts:
            return np.empty((0, n, 0), np.float32)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
