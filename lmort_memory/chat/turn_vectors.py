"""The vectors of a turn, from the states that talking has computed anyway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lmort_memory.chat.long_text import Parts, parts_of
from lmort_memory.types import (
    AskedTokens,
    ChatEncoder,
    Encoded,
    Encoder,
    Progress,
    StateEncoder,
    TokenEncoder,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["TurnVectors"]


class TurnVectors:
    """Turns the states of a chat into vectors of its memory.

    Args:
        encoder: The memory's; one that takes no states makes no vectors here.
    """

    def __init__(self, encoder: Encoder | None) -> None:
        self._encoder = encoder if isinstance(encoder, StateEncoder) else None

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers whose states are needed."""
        return self._encoder.layers if self._encoder else ()

    def from_states(
        self, text: str, tokens: Sequence[int], states: NDArray[np.float32]
    ) -> Encoded | None:
        """Encode a turn that the model has read or written; None without states."""
        if self._encoder is None or not tokens or not states.size:
            return None
        return self._encoder.encode_states(text, tokens, self._alone(states))

    def asked(self, tokens: Sequence[int], states: NDArray[np.float32]) -> AskedTokens | None:
        """Return a question's tokens, to compare with those of records; None without states."""
        if not isinstance(self._encoder, TokenEncoder) or not tokens or not states.size:
            return None
        return self._encoder.asked_tokens(tokens, self._alone(states))

    def _alone(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the states as they would be, on average, without a chat around the turn."""
        if isinstance(self._encoder, ChatEncoder):
            return self._encoder.without_chat(states)
        return states

    def long(self, text: str, ends: Sequence[int], progress: Progress | None = None) -> Parts:
        """Read a text that does not fit the context.

        Args:
            text: The whole.
            ends: For each of its tokens, the character where it ends.
            progress: Called with how many chunks are read.
        """
        assert self._encoder is not None, "a memory with a model has an encoder of its states"
        return parts_of(text, ends, self._encoder, progress=progress)
