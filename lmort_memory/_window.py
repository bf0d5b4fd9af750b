"""The window: the turns of a conversation that are in the model's context, token for token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from lmort_memory.errors import BackboneError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone, Sampling

# After an overflow this share of the context stays filled: whole old turns leave at once, so that
# what is kept is evaluated again once in a long while and not at every turn.
_KEEP = 0.5


RoomMade: TypeAlias = Literal["shifted", "evaluated again"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message in the window; `tokens` is its content, notes included."""

    role: str
    tokens: tuple[int, ...]
    record_id: str | None = None


class Window:
    """Keeps messages, prompt and K/V cache in step.

    `room` says how the last message got room where old turns had to leave: by moving what is kept,
    or by evaluating it again where the model's positions cannot move; None where nothing left.
    """

    def __init__(
        self, backbone: Backbone, *, layers: Sequence[int], n_ctx: int, system: str
    ) -> None:
        """Open a context; BackboneError where llama.cpp cannot."""
        self._prompts = backbone.prompts
        self._vocabulary = backbone.vocabulary
        self._sequence = backbone.open_sequence(n_ctx=n_ctx, layers=layers)
        self._messages: list[Message] = []
        if system and self._prompts.template.takes_system:
            self._messages.append(Message("system", tuple(self._prompts.tokenize(system))))
        self._n_fixed = len(self._messages)
        self._dropped_for_room = False
        self.room: RoomMade | None = None

    @property
    def tokens_evaluated(self) -> int:
        """Tokens run through the model here."""
        return self._sequence.tokens_evaluated

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end a reply with this model's template."""
        return self._prompts.template.stops

    @property
    def record_ids(self) -> frozenset[str]:
        """Records whose text is in the window: the model sees them anyway."""
        return frozenset(m.record_id for m in self._messages if m.record_id is not None)

    def make_room(self, n_tokens: int, reserve: int) -> int:
        """Drop the oldest turns until a message of `n_tokens` and `reserve` more fit.

        Returns:
            How many messages left.

        Raises:
            BackboneError: it does not fit into an empty window.
        """
        n_ctx = self._sequence.n_ctx
        self._dropped_for_room = self._size(self._messages, n_tokens) + reserve > n_ctx
        if not self._dropped_for_room:
            return 0
        target = max(n_ctx * _KEEP, self._size(self._messages[: self._n_fixed], n_tokens) + reserve)
        gone = 0
        while len(self._messages) > self._n_fixed and (
            self._size(self._messages, n_tokens) + reserve > target
        ):
            # A user's message and its reply leave together: templates insist on the alternation.
            end = self._n_fixed + 1
            while end < len(self._messages) and self._messages[end].role != "user":
                end += 1
            gone += end - self._n_fixed
            del self._messages[self._n_fixed : end]
        needed = self._size(self._messages, n_tokens) + reserve
        if needed > n_ctx:
            raise BackboneError(
                f"a message of {n_tokens} tokens needs a context of {needed} with its reply and "
                f"notes, and this one has {n_ctx} — shorten it or open a larger context"
            )
        return gone

    def enter(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Evaluate a user's words; return their states, float32 (layers, len(tokens), n_embd)."""
        self._messages.append(Message("user", tuple(tokens)))
        prompt = self._prompts.write(*self._contents(self._messages), reply=True)
        start, end = prompt.spans[-1]
        synced = self._sequence.sync(prompt.tokens[: start + 1])
        self.room = None
        if self._dropped_for_room:
            self.room = "shifted" if synced.moved else "evaluated again"
        states = self._sequence.extend(prompt.tokens[synced.kept : end], logits=False)
        return states[:, start - synced.kept :]

    def name_last(self, record_id: str) -> None:
        """Say which record the last message is."""
        self._messages[-1] = replace(self._messages[-1], record_id=record_id)

    def open_reply(self, notes: str) -> int:
        """Append notes to the user's message and evaluate up to the reply's first token.

        Returns:
            Tokens of the notes.
        """
        last = self._messages[-1]
        tokens = tuple(self._vocabulary.tokenize(notes))
        self._messages[-1] = replace(last, tokens=last.tokens + tokens)
        prompt = self._prompts.write(*self._contents(self._messages), reply=True)
        kept = self._sequence.sync(prompt.tokens).kept
        self._sequence.extend(prompt.tokens[kept:])
        return len(tokens)

    def generate(
        self, sampling: Sampling, max_tokens: int
    ) -> Iterator[tuple[int, bytes, NDArray[np.float32]]]:
        """Yield each token of a reply, its bytes, and its states, float32 (layers, 1, n_embd).

        Ends at the model's end of turn, at `max_tokens`, or when the context is full.
        """
        sampler = self._sequence.sampler(sampling)
        try:
            room = self._sequence.n_ctx - len(self._sequence.tokens)
            for _ in range(min(max_tokens, room)):
                token = self._sequence.sample(sampler)
                if self._vocabulary.is_end(token):
                    return
                yield token, self._vocabulary.piece(token), self._sequence.extend([token])
        finally:
            sampler.close()

    def close_reply(self, tokens: Sequence[int], record_id: str | None) -> None:
        """Take the reply's tokens into the window."""
        self._messages.append(Message("assistant", tuple(tokens), record_id))

    def close(self) -> None:
        """Free the context."""
        self._sequence.close()

    def _size(self, messages: Sequence[Message], n_tokens: int) -> int:
        """Return the tokens of a prompt of these messages, a user's of `n_tokens`, and a reply."""
        with_next = [*messages, Message("user", (0,) * n_tokens), Message("assistant", ())]
        return len(self._prompts.write(*self._contents(with_next), reply=False).tokens)

    @staticmethod
    def _contents(messages: Sequence[Message]) -> tuple[list[str], list[tuple[int, ...]]]:
        return [m.role for m in messages], [m.tokens for m in messages]
