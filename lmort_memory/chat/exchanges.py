"""The messages of a conversation as one prompt, which leave it in whole exchanges."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmort_memory.chat.message import Message

if TYPE_CHECKING:
    from lmort_memory.backbone.prompt import Prompt, PromptWriter

__all__ = ["Exchanges"]

_EMPTY = Message("user", ())  # stands for the user's next words
_NO_REPLY = Message("assistant", ())


class Exchanges:
    """System messages, which stay, and after them a user's messages with what each has led to.

    A user's message leaves with its replies: templates require alternating roles.

    Args:
        prompts: Writes the prompt.
        system: The system messages.
    """

    def __init__(self, prompts: PromptWriter, system: Sequence[Message]) -> None:
        self.messages: list[Message] = list(system)
        self._prompts = prompts
        self._n_fixed = len(self.messages)
        self._tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def record_ids(self) -> frozenset[str]:
        """Records of whose text anything is shown."""
        return frozenset(id_ for message in self.messages for id_ in message.shown)

    @property
    def in_view(self) -> frozenset[str]:
        """Records whose whole text is shown."""
        return frozenset(id_ for message in self.messages for id_ in message.shown_whole)

    @property
    def least_size(self) -> int:
        """Tokens of a prompt with nothing but the system messages and what it needs around words.

        The user's next words are not counted, nor those of the reply.
        """
        return self.size_alone([_EMPTY])

    def replace(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> None:
        """Begin anew with these messages, system messages first, and descriptions of tools."""
        self.messages = list(messages)
        self._tools = tuple(tools)
        said = (i for i, message in enumerate(self.messages) if message.role != "system")
        self._n_fixed = next(said, len(self.messages))

    def restore(self, messages: Sequence[Message]) -> bool:
        """Go on with saved messages; False if they begin with other system messages."""
        if list(messages[: self._n_fixed]) != self.messages:
            return False
        self.messages = list(messages)
        return True

    def change(self, at: int, **fields: Any) -> None:  # noqa: ANN401  fields of a Message
        """Replace fields of one message."""
        self.messages[at] = replace(self.messages[at], **fields)

    def take_back(self) -> None:
        """Remove the last message if it waits for a reply."""
        if self.messages[self._n_fixed :] and self.messages[-1].role in ("user", "tool"):
            self.messages.pop()

    def take(self, earlier: Sequence[tuple[Message, Message]], *, at_most: float) -> None:
        """Append the latest of some earlier exchanges, as many as make a prompt of that size."""
        latest: list[Message] = []
        for exchange in reversed(earlier):
            if self.size_with([*exchange, *latest, _EMPTY]) > at_most:
                break
            latest[:0] = exchange
        self.messages += latest

    def needed_by(self, message: Message) -> list[Message]:
        """Return what a message means nothing without.

        A tool's result needs its question and the call.
        """
        if message.role != "tool":
            return []
        users = (i for i, one in enumerate(self.messages) if one.role == "user")
        return self.messages[max(users, default=self._n_fixed) :]

    def drop_oldest(self) -> int:
        """Drop the oldest exchange; returns how many messages have left."""
        return self._drop(self._n_fixed)

    def drop_showing(self, records: Collection[str]) -> bool:
        """Drop every exchange that shows one of these records; returns whether there was one."""
        at, found = self._n_fixed, False
        while at < len(self.messages):
            shown = {id_ for one in self.messages[at : self._end(at)] for id_ in one.shown}
            if shown.isdisjoint(records):
                at = self._end(at)
            else:
                found = bool(self._drop(at))
        return found

    def prompt(self, *, reply: bool) -> Prompt:
        """Return the messages as a prompt; with `reply`, up to where the reply begins."""
        return self._write(self.messages, reply=reply)

    def size_with(self, more: Sequence[Message]) -> int:
        """Return a prompt's token count: all messages, these after them, a reply without words."""
        return len(self._write([*self.messages, *more, _NO_REPLY], reply=False).tokens)

    def size_alone(self, said: Sequence[Message]) -> int:
        """Return a prompt's token count if only these messages followed the system messages."""
        fixed = self.messages[: self._n_fixed]
        return len(self._write([*fixed, *said, _NO_REPLY], reply=False).tokens)

    def _drop(self, at: int) -> int:
        gone = self._end(at) - at
        del self.messages[at : at + gone]
        return gone

    def _end(self, at: int) -> int:
        end = at + 1
        while end < len(self.messages) and self.messages[end].role != "user":
            end += 1
        return end

    def _write(self, messages: Sequence[Message], *, reply: bool) -> Prompt:
        return self._prompts.write(
            [m.role for m in messages],
            [m.tokens + m.notes for m in messages],
            reply=reply,
            more=[m.more for m in messages],
            tools=self._tools,
        )
