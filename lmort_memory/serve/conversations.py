"""Conversations that clients send anew with every request: evaluated once, stored once.

A seat is a model context with a `Chat` in it. A request is given the seat that holds its
conversation, so only what is new goes through the model; a conversation that nobody holds takes an
unused seat, or the one that was idle longest. Turns that the session has stored already are
recognised by what they say, also after a restart.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from lmort_memory.chat import Chat, ChatOptions, Reply
from lmort_memory.chat.resume import said_in
from lmort_memory.chat.window import Message
from lmort_memory.messages import ChatMessage, to_openai
from lmort_memory.types import Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from lmort_memory.chat.resume import Said
    from lmort_memory.memory import Memory

__all__ = ["Asked", "Seat", "Seats", "session_of"]

T = TypeVar("T")

_LOOKED_AT = 300  # latest messages of a request that may be new to the store
_REPLIES = 512  # whose exact tokens are kept, since tokenising their text may give others


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to go on with a conversation.

    Attributes:
        messages: All of it; the last one is a user's or a tool's.
        scope: Where it is stored and recalled.
        session: Under which name.
        remembers: Whether earlier turns that are new to the store are stored.
        options: How to answer.
        tools: Descriptions in OpenAI's form.
    """

    messages: Sequence[ChatMessage]
    scope: str
    session: str
    remembers: bool
    options: ChatOptions
    tools: Sequence[dict[str, Any]] = ()


def session_of(messages: Sequence[ChatMessage]) -> str:
    """Name a session after the words that began it, for clients that name none."""
    first = next((message.text for message in messages if message.role == "user"), "")
    return "api-" + hashlib.blake2b(first.encode("utf-8", "replace"), digest_size=8).hexdigest()


@dataclass(slots=True, eq=False)
class Seat:
    """A context and what it holds.

    Attributes:
        chat: The conversation in the context.
        held: The messages that the context shows, those that left the window included.
        left: How many messages, system prompts apart, have left the window.
    """

    chat: Chat
    memory: Memory
    replies: OrderedDict[str, tuple[int, ...]]
    held: list[ChatMessage] = field(default_factory=list)
    left: int = 0

    def begin(self, asked: Asked) -> Reply:
        """Take the last message of a conversation, after whatever the context lacks of it."""
        known = self._known(asked)
        system, said = _split(asked.messages)
        if self.held != list(asked.messages[: len(self.held)]):
            self.left = 0
        lead = "" if self._takes_system or not system else "\n\n".join(system) + "\n\n"
        messages = [
            Message("system", self._tokens("system", text)) for text in system if self._takes_system
        ]
        for i, (message, records) in enumerate(zip(said[:-1], known[:-1], strict=True)):
            if i >= self.left:
                before = self._tokens("user", lead) if i == self.left and lead else ()
                tokens = (*before, *self._tokens(message.role, message.text))
                messages.append(Message(message.role, tokens, (), records, more=_more(message)))
        self.chat.take_over(
            messages,
            session=asked.session,
            scope=asked.scope,
            options=asked.options,
            tools=asked.tools,
        )
        self.held = list(asked.messages)
        last = said[-1]
        return self.chat.say(
            last.text,
            role=last.role,
            records=known[-1],
            lead=lead if len(said) - 1 <= self.left else "",
            more=_more(last),
        )

    def end(self, reply: Reply, answer: ChatMessage) -> None:
        """Take note of a reply that has come to its end, as the client will send it back."""
        self.left += reply.ledger.left_window
        self.held.append(answer)
        self.replies[answer.text] = tuple(reply.tokens)
        while len(self.replies) > _REPLIES:
            self.replies.popitem(last=False)

    def match(self, messages: Sequence[ChatMessage]) -> int:
        """Return how many messages from the first on are those that the context holds.

        A system prompt alone is no match: others begin with it too.
        """
        n = 0
        for held, asked in zip(self.held, messages, strict=False):
            if held != asked:
                break
            n += 1
        return n if any(message.role == "user" for message in messages[:n]) else 0

    @property
    def _takes_system(self) -> bool:
        assert self.memory.backbone is not None  # a chat has one
        return self.memory.backbone.prompts.template.takes_system

    def _tokens(self, role: str, text: str) -> tuple[int, ...]:
        if role == "assistant" and text in self.replies:
            return self.replies[text]
        assert self.memory.backbone is not None
        return tuple(self.memory.backbone.prompts.tokenize(text))

    def _known(self, asked: Asked) -> list[tuple[str, ...]]:
        """Return the records that hold each message; earlier turns that are new get stored."""
        said = _split(asked.messages)[1]
        if not asked.remembers:
            return [()] * len(said)
        stored = _Stored(said_in(self.memory.store, scope=asked.scope, session=asked.session))
        found = [stored.take(message) for message in said]
        first = max(0, len(said) - _LOOKED_AT)
        new = [
            i
            for i in range(first, len(said) - 1)
            if found[i] is None and said[i].role in ("user", "assistant") and said[i].text.strip()
        ]
        turns = [
            Turn(said[i].text, role=said[i].role, scope=asked.scope, session=asked.session)
            for i in new
        ]
        if turns:
            for i, record in zip(new, self.memory.add(turns, defer=True), strict=True):
                found[i] = (record.id,)
            self.memory.encode_in_background()
        return [records or () for records in found]


class _Stored:
    """The turns that a session holds, each to be found once."""

    def __init__(self, said: Sequence[Said]) -> None:
        self._turns: dict[tuple[str, str], deque[tuple[str, ...]]] = {}
        for turn in said:
            self._turns.setdefault(_key(turn.role, turn.text), deque()).append(turn.records)

    def take(self, message: ChatMessage) -> tuple[str, ...] | None:
        waiting = self._turns.get(_key(message.role, message.text))
        return waiting.popleft() if waiting else None


def _key(role: str, text: str) -> tuple[str, str]:
    return role, " ".join(text.split())


def _split(messages: Sequence[ChatMessage]) -> tuple[list[str], list[ChatMessage]]:
    """Return the system prompts that open a conversation, and the rest."""
    n = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
    return [message.text for message in messages[:n]], list(messages[n:])


def _more(message: ChatMessage) -> dict[str, Any]:
    """Return what a template may want of a message beside role and content."""
    import json

    fields = {k: v for k, v in to_openai(message).items() if k not in ("role", "content")}
    for call in fields.get("tool_calls", ()):
        try:
            arguments = json.loads(call["function"]["arguments"] or "{}")
        except ValueError:
            continue
        if isinstance(arguments, dict):  # templates write it as JSON themselves
            call["function"]["arguments"] = arguments
    return fields


class Seats:
    """The seats of a server; requests wait in order of arrival. Belongs to one event loop."""

    def __init__(
        self, *, most: int, n_ctx: int, run: Callable[[Callable[[], Any]], Awaitable[Any]]
    ) -> None:
        """Make room for `most` conversations at a time; contexts are made when they are needed."""
        self._most = most
        self._n_ctx = n_ctx
        self._run = run
        self._idle: list[Seat] = []  # the one idle longest first
        self._replies: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        self._places = asyncio.Semaphore(most)
        self.opened = 0
        self.answering = 0
        self.waiting = 0

    @property
    def most(self) -> int:
        """How many contexts there may be."""
        return self._most

    @asynccontextmanager
    async def borrow(self, memory: Memory, messages: Sequence[ChatMessage]) -> AsyncIterator[Seat]:
        """Take the best seat for a conversation, waiting for one if all are taken."""
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1
        self.answering += 1
        try:
            seat = self._best(messages) or await self._open(memory)
        except BaseException:
            self.answering -= 1
            self._places.release()
            raise
        try:
            yield seat
        finally:
            self.answering -= 1
            self._idle.append(seat)
            self._places.release()

    async def close(self) -> None:
        """Free every idle context."""
        while self._idle:
            await self._run(self._idle.pop().chat.close)

    def _best(self, messages: Sequence[ChatMessage]) -> Seat | None:
        """Return an idle seat; None where a new one is to be opened."""
        best = max(self._idle, key=lambda seat: seat.match(messages), default=None)
        if best is None:
            return None
        if not best.match(messages):
            if self.opened < self._most:
                return None
            best = self._idle[0]
        self._idle.remove(best)
        return best

    async def _open(self, memory: Memory) -> Seat:
        self.opened += 1
        try:
            chat = await self._run(
                lambda: Chat(
                    memory, session=None, options=ChatOptions(n_ctx=self._n_ctx, system="")
                )
            )
        except BaseException:
            self.opened -= 1
            raise
        return Seat(chat, memory, self._replies)
