"""A chat completion under way: its pieces, its usage, and what was remembered for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from anyio import CancelScope

from lmort_memory.chat import Reply, ReplyPiece
from lmort_memory.errors import BackboneError
from lmort_memory.messages import ChatMessage, ToolCall
from lmort_memory.serve.http import ApiError
from lmort_memory.serve.openai_schemas import Usage
from lmort_memory.serve.tools import ToolReader
from lmort_memory.store.ulid import new_id

if TYPE_CHECKING:
    from lmort_memory.chat import Ledger
    from lmort_memory.chat.transcript import Transcript
    from lmort_memory.serve.engine import Engine
    from lmort_memory.serve.planning import Plan

__all__ = ["Completion"]

_END = None


class Completion:
    """A reply under way, in a seat of its own."""

    def __init__(self, plan: Plan, engine: Engine, seat: Transcript) -> None:
        self.id = f"chatcmpl-{new_id()}"
        self.created = int(time.time())
        self.plan = plan
        self.calls: list[ToolCall] = []
        self._engine = engine
        self._seat = seat
        self._reply: Reply | None = None
        self._ended = False
        self._sent: list[str] = []
        reading = plan.style is not None
        self._reader = ToolReader(plan.style, plan.names) if reading and plan.style else None

    async def begin(self) -> None:
        """Evaluate the prompt and recall; the first piece can follow.

        Raises:
            ApiError: the conversation does not fit, or the template refuses it.
        """
        work = self._engine.talk(lambda: self._seat.begin(self.plan.asked))
        try:
            self._reply = await asyncio.shield(work)
        except asyncio.CancelledError:
            with CancelScope(shield=True):  # the seat is free when its pass has ended
                await asyncio.wait([work])
                self._reply = None if work.exception() else work.result()
                await self.close()
            raise
        except BackboneError as error:
            code = "context_length_exceeded" if "context" in str(error) else None
            raise ApiError(400, str(error), code=code, param="messages") from error

    async def pieces(self) -> AsyncGenerator[ReplyPiece, None]:
        """Yield text and reasoning as they come; at the end `calls` and `usage` are known."""
        assert self._reply is not None  # begin() came first
        reply = self._reply
        waiting: asyncio.Queue[ReplyPiece | BaseException | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def produce() -> None:
            try:
                for piece in reply.pieces():
                    loop.call_soon_threadsafe(waiting.put_nowait, piece)
            except BaseException as error:  # noqa: BLE001 — raised by the consumer
                loop.call_soon_threadsafe(waiting.put_nowait, error)
            finally:
                reply.close()
                loop.call_soon_threadsafe(waiting.put_nowait, _END)

        work = self._engine.talk(produce)
        try:
            while (piece := await waiting.get()) is not _END:
                if isinstance(piece, BaseException):
                    raise piece
                text = self._reader.feed(piece.text) if self._reader else piece.text
                self._sent.append(text)
                if text or piece.thought:
                    yield ReplyPiece(text, piece.thought)
            if self._reader is not None:
                rest, self.calls = self._reader.finish()
                self._sent.append(rest)
                if rest:
                    yield ReplyPiece(rest)
        finally:
            reply.cancel()
            with CancelScope(shield=True):
                await asyncio.wait([work])
            self._ended = True
            said = "".join(self._sent)  # as the client will send it back, calls apart
            self._seat.end(reply, ChatMessage("assistant", said, tool_calls=tuple(self.calls)))

    async def close(self) -> None:
        """End a reply that nobody has read; harmless after `pieces`."""
        if self._reply is not None and not self._ended:
            self._ended = True
            await self._engine.talk(self._reply.close)

    @property
    def reply(self) -> Reply:
        """The reply that `begin` has begun."""
        assert self._reply is not None
        return self._reply

    @property
    def ledger(self) -> Ledger:
        """Why it said that; once `pieces` has ended."""
        return self.reply.ledger

    @property
    def finish_reason(self) -> str:
        """OpenAI's reason for the end."""
        if self.calls:
            return "tool_calls"
        return "length" if self.reply.used_up else "stop"

    @property
    def usage(self) -> Usage:
        """Tokens of the request."""
        ledger, prompt = self.ledger, self.reply.prompt_tokens
        generated = ledger.reply_tokens + self.reply.thought_tokens
        evaluated = max(0, ledger.evaluated_tokens - generated)
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=generated,
            total_tokens=prompt + generated,
            prompt_tokens_details={"cached_tokens": max(0, prompt - evaluated)},
        )

    def remembered(self) -> dict[str, Any]:
        """Return the field `lmort`: what was recalled and remembered for this reply."""
        ledger = self.ledger
        shown: dict[str, Any] = {
            "memory": self.plan.memory,
            "evaluated_tokens": ledger.evaluated_tokens,
            "left_window": ledger.left_window,
            "unread_tokens": ledger.unread_tokens,
        }
        if not self.plan.memory:
            return shown
        return shown | {
            "scope": self.plan.asked.scope,
            "session": self.plan.asked.session,
            "turn_id": ledger.turn_id,
            "reply_id": ledger.reply_id,
            "likelihood": ledger.likelihood,
            "notes_tokens": ledger.notes_tokens,
            "repeats": [repeat.id for repeat in ledger.repeats],
            "recalled": [
                {
                    "id": memory.record.id,
                    "text": memory.record.text,
                    "role": memory.record.role,
                    "session": memory.record.session,
                    "created_at": memory.record.created_at,
                    "score": memory.score,
                    "tokens": memory.tokens,
                }
                for memory in ledger.memories
            ],
        }
