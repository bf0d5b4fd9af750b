"""A conversation's tokens in the K/V cache: appended to, cut, captured, and continued by sampling.

Nothing is evaluated twice: `sync` keeps the longest common beginning of what is there and what is
wanted, and where the model allows it also what follows a gap. Every method runs in the inference
thread at chat priority.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lmort_memory.backbone.context import Context
from lmort_memory.backbone.layers import LayerNames
from lmort_memory.backbone.sampling import Sampler, Sampling
from lmort_memory.backbone.saved_state import SavedState, read_state, write_state
from lmort_memory.backbone.standalone import captured
from lmort_memory.backbone.thread import InferenceThread, Pending, Priority
from lmort_memory.errors import BackboneError

T = TypeVar("T")

# A shorter rest is evaluated again: cheaper than shifting its keys, and without stale context.
_LEAST_MOVED = 64


@dataclass(frozen=True, slots=True)
class Synced:
    """The result of `TokenSequence.sync`.

    Attributes:
        kept: How many of the requested tokens, counted from the first, are now in the KV cache.
        moved: How many of these were shifted to earlier positions.
        cut: How many tokens were removed from the KV cache.
    """

    kept: int
    moved: int
    cut: int


class TokenSequence:
    """One sequence of tokens in its own context.

    Attributes:
        layers: The layers that `extend` captures.
        can_shift: Whether positions can be shifted: RoPE, and no recurrent state.
        tokens_evaluated: Number of tokens that this sequence has run through the model.
        capturing: Whether `extend` captures; if not, it returns no layers and is faster.
    """

    def __init__(
        self,
        context: Context,
        thread: InferenceThread,
        *,
        names: LayerNames,
        layers: Sequence[int],
        model: ModelIdentity,
    ) -> None:
        """Use `Backbone.open_sequence` instead."""
        self._context = context
        self._thread = thread
        self._model = model
        self._tokens: list[int] = []
        self.layers = tuple(layers)
        self.can_shift = model.can_shift
        self._names = names.of(self.layers)
        self._last_name = names.names[-1]
        self.capturing = True
        self.tokens_evaluated = 0

    @property
    def n_ctx(self) -> int:
        """Context size in tokens."""
        return self._context.n_ctx

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens whose cells are in the KV cache."""
        return tuple(self._tokens)

    def sync(self, tokens: Sequence[int]) -> Synced:
        """Keep the part of the KV cache that matches `tokens` and remove the rest.

        Keeps the common prefix. If the cache matches again after an extra stretch, that stretch is
        cut out and the rest shifted, provided the model supports it. The last token is never kept,
        because its logits are needed. Call `extend` with `tokens[kept:]` next.
        """
        return self._run(lambda: self._sync(tokens))

    def cut(self, start: int, end: int, *, move: bool) -> int:
        """Remove the tokens [start, end) from the KV cache.

        The tokens after `end` are shifted to `start` if requested and if the model supports it;
        their cells then still reflect the removed tokens. Otherwise they are removed too.

        Returns:
            How many tokens after `end` were removed and must be evaluated again.
        """
        return self._run(lambda: self._cut(start, end, move and self.can_shift))

    def extend(self, tokens: Sequence[int], *, logits: bool = True) -> NDArray[np.float32]:
        """Evaluate tokens at the end of the sequence.

        Args:
            tokens: The tokens to append.
            logits: Whether `sample` follows; if not, the vocabulary projection is skipped.

        Returns:
            The tokens' hidden states, float32 (len(layers), n, n_embd).

        Raises:
            BackboneError: the tokens do not fit, or llama.cpp refused them.
        """
        return self._run(lambda: self._extend(tokens, logits))

    def sampler(self, options: Sampling) -> Sampler:
        """Return a sampler for one reply; the caller closes it."""
        return self._run(lambda: Sampler(options, self._context.handle))

    def sample(self, sampler: Sampler) -> int:
        """Choose the next token from the logits of the last one evaluated."""
        return self._run(lambda: sampler.sample(self._context.handle))

    def advance(
        self, token: int | None, sampler: Sampler, keep: Callable[[NDArray[np.float32]], None]
    ) -> Pending[int]:
        """Evaluate a token, if there is one, and choose the next, while the caller goes on.

        Args:
            token: The last token chosen; None if the logits are those of the prompt.
            sampler: Chooses the next. It may be closed once the job has ended.
            keep: Gets the token's states as soon as they are there, in the inference thread: they
                are not lost when the caller is interrupted.

        Returns:
            The job. Its result raises BackboneError if the context is full, or if llama.cpp refused
            the token.
        """

        def job() -> int:
            if token is not None:
                keep(self._extend([token], True))
            return sampler.sample(self._context.handle)

        return self._thread.submit(job, Priority.CHAT)

    def save(self, path: Path, *, label: str = "", max_bytes: int = 1 << 30) -> bool:
        """Save the KV cells to a file (0600, replaced atomically); False if they are too large.

        Args:
            path: The file; its folder must exist.
            label: Anything the caller needs in order to resume; `restore` returns it.
            max_bytes: Maximum size of the cells.

        Raises:
            BackboneError: the file cannot be written.
        """
        data = self._run(lambda: self._context.state(max_bytes))
        if data is None:
            return False
        write_state(path, SavedState(self._model.fingerprint, tuple(self._tokens), data, label))
        return True

    def restore(self, path: Path) -> str | None:
        """Replace the KV cells with those of a file.

        Returns:
            The label they were saved with, or None, with nothing changed, if the file is missing,
            damaged, too large for the context, or of another model or build of llama.cpp. The
            caller then evaluates the tokens again.
        """
        saved = read_state(path, self._model.fingerprint)
        if saved is None or len(saved.tokens) > self.n_ctx:
            return None
        return saved.label if self._run(lambda: self._restore(saved)) else None

    def close(self) -> None:
        """Free the context, and with it every cell."""
        self._run(self._context.close)
        self._tokens.clear()

    def _run(self, job: Callable[[], T]) -> T:
        return self._thread.run(job, Priority.CHAT)

    def _sync(self, tokens: Sequence[int]) -> Synced:
        wanted = list(tokens[:-1])
        kept = common_prefix(self._tokens, wanted)
        rest = self._tokens[kept:]
        gap = _gap(rest, wanted[kept:]) if self.can_shift else None
        if gap is not None:
            self._context.shift(0, kept, kept + gap)
            del self._tokens[kept : kept + gap]
            return Synced(len(self._tokens), len(rest) - gap, gap)
        if rest and not self._context.truncate(0, kept):
            rest, kept = self._tokens, 0  # a recurrent state cannot be cut: begin anew
        cut = len(rest)
        del self._tokens[kept:]
        return Synced(kept, 0, cut)

    def _cut(self, start: int, end: int, move: bool) -> int:
        if move:
            self._context.shift(0, start, end)
            del self._tokens[start:end]
            return 0
        kept = start if self._context.truncate(0, start) else 0
        again = len(self._tokens) - kept - (end - start)
        del self._tokens[kept:]
        return again

    def _extend(self, tokens: Sequence[int], logits: bool) -> NDArray[np.float32]:
        start, n = len(self._tokens), len(tokens)
        if start + n > self.n_ctx:
            raise BackboneError(
                f"the context of {self.n_ctx} tokens already holds {start}; {n} more do not "
                "fit — drop old turns or open a larger context"
            )
        parts: list[NDArray[np.float32]] = []
        for part, with_logits in self._steps(tokens, logits):
            self._decode(part, logits=with_logits)
            if self._wanted:
                parts.append(captured(self._context, self._wanted, len(part)))
        if not parts:
            return np.empty((0, n, 0), np.float32)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _steps(self, tokens: Sequence[int], logits: bool) -> list[tuple[Sequence[int], bool]]:
        """Split tokens into decodes; only the last one may need logits.

        If the last layer is captured, every row is an output. Steps are then short and stop before
        the vocabulary projection, except for the one token whose logits are needed.
        """
        if not self._wants_last:
            step = self._context.size.n_batch
            parts = [tokens[i : i + step] for i in range(0, len(tokens), step)]
            return [(part, logits and i == len(parts) - 1) for i, part in enumerate(parts)]
        step = self._context.size.n_outputs
        body = tokens[:-1] if logits else tokens
        steps = [(body[i : i + step], False) for i in range(0, len(body), step)]
        return [*steps, (tokens[-1:], True)] if logits else steps

    @property
    def _wanted(self) -> tuple[str, ...]:
        return tuple(self._names) if self.capturing else ()

    @property
    def _wants_last(self) -> bool:
        return self._last_name in self._wanted

    def _decode(self, tokens: Sequence[int], *, logits: bool) -> None:
        # Ending the graph after the final norm is safe in a conversation: every cell is written.
        ends_early = self._wants_last and not logits
        self._context.capture.want(self._wanted, exit_after=self._last_name if ends_early else None)
        outputs = slice(None) if self._wants_last else slice(-1, None) if logits else None
        start = len(self._tokens)
        self._context.decode(tokens, range(start, start + len(tokens)), outputs=outputs)
        self._tokens.extend(tokens)
        self.tokens_evaluated += len(tokens)

    def _restore(self, saved: SavedState) -> bool:
        self._context.truncate(0, -1)
        self._tokens.clear()
        if not self._context.set_state(saved.cells):
            self._context.truncate(0, -1)
            return False
        self._tokens.extend(saved.tokens)
        return True


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What a sequence needs to know about its model."""

    fingerprint: str
    can_shift: bool


def common_prefix(have: Sequence[object], want: Sequence[object]) -> int:
    """Return the length of the common prefix of two sequences."""
    n = 0
    for a, b in zip(have, want, strict=False):
        if a != b:
            break
        n += 1
    return n


def _gap(have: Sequence[int], want: Sequence[int]) -> int | None:
    """Return how many items to cut from the start of `have` so that `want` begins with the rest.

    None if there is no such cut, or if the rest would be too short to be worth it.
    """
    for gap in range(1, len(have) - _LEAST_MOVED + 1):
        length = len(have) - gap
        if length <= len(want) and have[gap] == want[0] and have[gap:] == want[:length]:
            return gap
    return None
