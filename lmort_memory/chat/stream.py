"""The text of a reply as its tokens arrive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lmort_memory.backbone.thinking import Thinking
from lmort_memory.backbone.tokens import StreamDecoder

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ReplyStream:
    """The tokens, states and text of a reply as they arrive.

    Text that may be the beginning of a stop text or of a reasoning marker is held back until that
    is decided. Reasoning is recognised only before the answer; later its markers are text.

    Attributes:
        text: The answer so far, without reasoning.
        thought: The reasoning so far.
        stopped: Whether a stop text was reached.
    """

    def __init__(self, stops: Sequence[str], thinking: Thinking | None = None) -> None:
        self.text = ""
        self.thought = ""
        self.stopped = False
        self._stops = tuple(stops)
        self._marks = thinking.marks if thinking else ()
        self._closing = thinking.begun if thinking else ""
        self._answering = not self._marks
        self._decoder = StreamDecoder()
        self._raw = ""
        self._start = 0  # start of the answer in the raw text
        self._earlier = 0  # characters of finished reasoning blocks
        self._tokens: list[int] = []
        self._ends: list[int] = []
        self._states: list[NDArray[np.float32]] = []

    def take(self, token: int, piece: bytes) -> str:
        """Take one token; return the answer text that can be shown now."""
        self._raw += self._decoder.feed(piece)
        self._tokens.append(token)
        self._ends.append(len(self._raw))
        if not self._answering and not self._read_thoughts():
            return ""
        return self._show(self._settled())

    def evaluated(self, states: NDArray[np.float32]) -> None:
        """Take the states of the next token without any, float32 (layers, 1, n_embd).

        They come from the inference thread, before or after `take` gets the token itself.
        """
        self._states.append(states)

    def finish(self) -> str:
        """Return the text held back that turned out to be neither a stop nor reasoning.

        A character that the last token left incomplete was never said, and is dropped.
        """
        if self.stopped:
            return ""
        if not self._answering:
            self._read_thoughts()
            if self._closing:  # cut short while reasoning: there is no answer
                self._think(self._raw[self._start :])
                self._start = len(self._raw)
        return self._show(len(self._raw))

    @property
    def tokens(self) -> list[int]:
        """The tokens of the answer, without those of a stop text or reasoning."""
        return self._tokens[self.n_thought_tokens : self._n_tokens]

    @property
    def n_thought_tokens(self) -> int:
        """Number of tokens before the answer."""
        return sum(end <= self._start for end in self._ends) if self._start else 0

    @property
    def states(self) -> NDArray[np.float32]:
        """States of `tokens`, float32 (layers, n, n_embd); empty if those of a token are missing.

        That is so where llama.cpp failed: the text has to be encoded by itself.
        """
        parts = self._states[self.n_thought_tokens : self._n_tokens]
        if not parts or len(parts) < len(self.tokens):
            return np.empty((0, 0, 0), np.float32)
        return np.concatenate(parts, axis=1)

    @property
    def _n_tokens(self) -> int:
        if not self.stopped:
            return len(self._tokens)
        return sum(end <= len(self._raw) for end in self._ends)

    def _read_thoughts(self) -> bool:
        """Move the start of the answer past finished reasoning; False while reasoning continues."""
        while True:
            rest = self._raw[self._start :]
            if self._closing:
                end = rest.find(self._closing)
                if end < 0:
                    self._think(rest[: len(rest) - _overlap(rest, [self._closing])])
                    return False
                self._think(rest[:end])
                self._start += end + len(self._closing)
                self._closing, self._earlier = "", len(self.thought)
                continue
            lead = rest.lstrip()
            opened = next((pair for pair in self._marks if lead.startswith(pair[0])), None)
            if opened is None:
                self._answering = bool(lead) and not any(
                    mark.startswith(lead) for mark, _ in self._marks
                )
                return self._answering
            self._start += len(rest) - len(lead) + len(opened[0])
            self._closing, self._earlier = opened[1], len(self.thought)

    def _think(self, block: str) -> None:
        self.thought = self.thought[: self._earlier] + block

    def _settled(self) -> int:
        """Return how much of the raw text cannot belong to a stop text, now or later."""
        for stop in self._stops:
            found = self._raw.find(stop, self._start)
            if found >= 0:
                self._raw = self._raw[:found]
                self.stopped = True
                return found
        return len(self._raw) - _overlap(self._raw[self._start :], self._stops)

    def _show(self, settled: int) -> str:
        visible = self._raw[self._start : settled].lstrip()
        new = visible[len(self.text) :]
        self.text += new
        return new


def _overlap(text: str, marks: Sequence[str]) -> int:
    """Return how many characters at the end of a text may begin a marker."""
    for length in range(max(map(len, marks), default=0) - 1, 0, -1):
        if any(mark.startswith(text[-length:]) for mark in marks if len(mark) > length):
            return min(length, len(text))
    return 0
