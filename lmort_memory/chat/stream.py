"""The text of a reply as its tokens come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lmort_memory.backbone.tokens import StreamDecoder

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ReplyStream:
    """The tokens, states and text of a reply as they come.

    Text that may turn out to be the beginning of a stop is held back until that is settled.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.text = ""
        self.stopped = False
        self._stops = tuple(stops)
        self._decoder = StreamDecoder()
        self._raw = ""
        self._tokens: list[int] = []
        self._ends: list[int] = []
        self._states: list[NDArray[np.float32]] = []

    def take(self, token: int, piece: bytes, states: NDArray[np.float32]) -> str:
        """Take one token; return the text that can be shown now."""
        self._raw += self._decoder.feed(piece)
        self._tokens.append(token)
        self._ends.append(len(self._raw))
        self._states.append(states)
        return self._show(self._settled())

    def finish(self) -> str:
        """Return the text that was held back and is no stop."""
        if self.stopped:
            return ""
        self._raw += self._decoder.finish()
        return self._show(len(self._raw))

    @property
    def tokens(self) -> list[int]:
        """The tokens of the text; those of a stop are left out."""
        return self._tokens[: self._n_tokens]

    @property
    def states(self) -> NDArray[np.float32]:
        """States of `tokens`, float32 (layers, n, n_embd)."""
        parts = self._states[: self._n_tokens]
        return np.concatenate(parts, axis=1) if parts else np.empty((0, 0, 0), np.float32)

    @property
    def _n_tokens(self) -> int:
        if not self.stopped:
            return len(self._tokens)
        return sum(end <= len(self._raw) for end in self._ends)

    def _settled(self) -> int:
        """Return how much of the raw text is no part of a stop, now or later."""
        for stop in self._stops:
            found = self._raw.find(stop)
            if found >= 0:
                self._raw = self._raw[:found]
                self.stopped = True
                return found
        for length in range(max(map(len, self._stops), default=0) - 1, 0, -1):
            if any(stop.startswith(self._raw[-length:]) for stop in self._stops):
                return len(self._raw) - length
        return len(self._raw)

    def _show(self, settled: int) -> str:
        visible = self._raw[:settled].lstrip()
        new = visible[len(self.text) :]
        self.text += new
        return new
