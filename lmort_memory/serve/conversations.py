"""Seats: the contexts of a server, each given to the requests whose conversation it holds.

A request is given the seat that holds its conversation, so only what is new goes through the
model; a conversation that nobody holds takes an unused seat, or the one that was idle longest.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from lmort_memory.chat import Chat, ChatOptions
from lmort_memory.chat.transcript import Replies, Transcript

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from lmort_memory.memory import Memory
    from lmort_memory.messages import ChatMessage

__all__ = ["Seats", "session_of"]


def session_of(messages: Sequence[ChatMessage]) -> str:
    """Name a session after the words that began it, for clients that name none."""
    first = next((message.text for message in messages if message.role == "user"), "")
    return "api-" + hashlib.blake2b(first.encode("utf-8", "replace"), digest_size=8).hexdigest()


class Seats:
    """The seats of a server; requests wait in order of arrival. Belongs to one event loop."""

    def __init__(
        self, *, most: int, n_ctx: int, run: Callable[[Callable[[], Any]], Awaitable[Any]]
    ) -> None:
        """Make room for `most` conversations at a time; contexts are made when they are needed."""
        self._most = most
        self._n_ctx = n_ctx
        self._run = run
        self._idle: list[Transcript] = []  # the one idle longest first
        self._replies = Replies()
        self._places = asyncio.Semaphore(most)
        self.opened = 0
        self.answering = 0
        self.waiting = 0

    @property
    def most(self) -> int:
        """How many contexts there may be."""
        return self._most

    @asynccontextmanager
    async def borrow(
        self, memory: Memory, messages: Sequence[ChatMessage]
    ) -> AsyncIterator[Transcript]:
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
            await self._run(self._idle.pop().close)

    def _best(self, messages: Sequence[ChatMessage]) -> Transcript | None:
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

    async def _open(self, memory: Memory) -> Transcript:
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
        return Transcript(memory, chat, self._replies)
