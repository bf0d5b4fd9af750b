"""What a chat asks its memory with: the vector and the tokens of a turn in a conversation."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.first_hand.people import Utterance
from lmort_memory import Chat, ChatOptions, Hit, Memory
from lmort_memory.chat import SYSTEM
from lmort_memory.chat.message import Message
from lmort_memory.types import DEFAULT_SCOPE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.types import AskedTokens


@dataclass(frozen=True, slots=True)
class Turned:
    """What a chat asks with; without an encoder, words alone."""

    vector: NDArray[np.float32] | None = None
    tokens: AskedTokens | None = None


class Overheard(Memory):
    """A memory that holds nothing and keeps what a chat asks it with."""

    asked = Turned()

    def recall(self, query: str, **how: Any) -> list[Hit]:
        """Keep the vector and the tokens, and find nothing."""
        self.asked = Turned(how["vector"], how["tokens"])
        return []


class Chats:
    """Says questions in conversations of their own, to learn what each is recalled with.

    Args:
        memory: Empty, with a model; nothing is left in it.
        chat: Over that memory: it takes over one conversation after the other.
    """

    def __init__(self, memory: Overheard, chat: Chat) -> None:
        self._memory, self._chat = memory, chat
        self._known: dict[tuple[str, str], Turned] = {}

    def asks(self, text: str, before: Sequence[Utterance]) -> Turned:
        """Return what a chat asks with.

        Args:
            text: The question.
            before: Exchanges, one of which comes before every second question.
        """
        number = zlib.crc32(text.encode())
        earlier = before[number // 2 % len(before)] if number % 2 else None
        key = text, earlier.text if earlier else ""
        if key not in self._known:
            said = [("system", SYSTEM)]
            said += [("user", earlier.text), ("assistant", earlier.reply)] if earlier else []
            tokenize = self._chat.prompts.tokenize
            self._chat.take_over(
                [Message(role, tuple(tokenize(words))) for role, words in said],
                session=f"asked-{number}",
                scope=DEFAULT_SCOPE,
                options=ChatOptions(remember=False),
            )
            self._chat.say(text, reply="").close()
            self._known[key] = self._memory.asked
        return self._known[key]
