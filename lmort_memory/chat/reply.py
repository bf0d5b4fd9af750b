"""A reply being generated: what is known before it, and its ledger afterwards."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from lmort_memory.chat.ledger import Ledger, Repeat, Timings
from lmort_memory.chat.stream import ReplyStream

if TYPE_CHECKING:
    from lmort_memory.chat.notes import Injected, Notes
    from lmort_memory.chat.options import ChatOptions
    from lmort_memory.chat.window import RoomMade, Window
    from lmort_memory.types import Record

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """How a turn was kept.

    Attributes:
        record: The turn; not in the store if it only repeats what was in view.
        repeat: The links stored instead in that case.
        stored: False if the chat was told not to remember the turn.
        quoted: Of the records that it repeats, those that it shows a part of.
    """

    record: Record
    repeat: Repeat | None = None
    stored: bool = True
    quoted: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """The stored records that hold the turn's text."""
        if self.repeat is not None:
            return self.repeat.records
        return (self.record.id,) if self.stored else ()


@dataclass(frozen=True, slots=True)
class TurnSoFar:
    """What is known of a turn before its reply; `given` is a reply supplied by the caller."""

    kept: Kept
    notes: Notes
    likelihood: float | None
    given: tuple[int, ...] | None
    user_tokens: int
    evaluated_before: int
    left_window: int
    room: RoomMade | None
    started: float
    prefill_s: float
    recall_s: float
    store_s: float
    unread_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ReplyPiece:
    """A piece of a streaming reply: text, the reasoning before it, or both."""

    text: str
    thought: str = ""


class Reply:
    """Iterate it, with `for` or `async for`, for its text piece by piece; then read `ledger`.

    An exception during iteration (Ctrl-C), a cancelled task, `cancel` and `close` end the reply
    early; what was said so far is stored.
    """

    def __init__(
        self,
        turn: TurnSoFar,
        window: Window,
        *,
        options: ChatOptions,
        keep: Callable[[ReplyStream, bool], Kept | None],
        on_end: Callable[[Ledger, bool], None],
    ) -> None:
        """Made by `Chat.say`."""
        self._turn = turn
        self._window = window
        self._options = options
        self._keep = keep
        self._on_end = on_end
        self._spoken = (
            ReplyStream(())
            if turn.given is not None
            else ReplyStream((*options.stop, *window.stops, *turn.notes.quotes), window.thinking)
        )
        self._pieces = self._generate()
        self._ledger: Ledger | None = None
        self._prompt_tokens = 0
        self._most: int | None = None  # tokens that it may have, once its prompt is evaluated
        self._one_at_a_time = threading.Lock()
        self._cancelled = False

    @property
    def memories(self) -> tuple[Injected, ...]:
        """What was recalled for this reply, known before its first word."""
        return self._turn.notes.memories

    @property
    def turn(self) -> Record:
        """The user's turn; not in the store if it only repeats what was in view."""
        return self._turn.kept.record

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the whole prompt, including notes and cached tokens; 0 before it is built."""
        return self._prompt_tokens

    @property
    def tokens(self) -> list[int]:
        """The tokens of the text so far."""
        return self._spoken.tokens

    @property
    def thought_tokens(self) -> int:
        """Number of reasoning tokens before the text."""
        return self._spoken.n_thought_tokens

    @property
    def stopped(self) -> bool:
        """Whether one of the texts in `ChatOptions.stop` ended it, or its quoting a note's date."""
        return self._spoken.stopped

    @property
    def used_up(self) -> bool:
        """Whether it reached its token limit before the model ended it."""
        generated = len(self.tokens) + self.thought_tokens
        return self._most is not None and not self.stopped and generated >= self._most

    @property
    def unread_tokens(self) -> int:
        """Tokens of the user's words that did not fit the context and were only stored."""
        return self._turn.unread_tokens

    @property
    def text(self) -> str:
        """The text so far."""
        return self._spoken.text

    @property
    def ledger(self) -> Ledger:
        """Why the reply says what it says.

        Raises:
            RuntimeError: the reply is not finished.
        """
        if self._ledger is None:
            raise RuntimeError("the reply is not finished — iterate it to the end first")
        return self._ledger

    @property
    def thought(self) -> str:
        """The model's reasoning so far: streamed, but never stored."""
        return self._spoken.thought

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        while not (text := self._next_piece().text):
            pass  # reasoning is not part of the reply
        return text

    def pieces(self) -> Iterator[ReplyPiece]:
        """Iterate over the reasoning and the reply, instead of the reply alone."""
        with suppress(StopIteration):
            while True:
                yield self._next_piece()

    def _next_piece(self) -> ReplyPiece:
        with self._one_at_a_time:
            return next(self._pieces)

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            while (piece := await in_thread(lambda: next(self, None), self.cancel)) is not None:
                yield piece
        finally:
            await asyncio.to_thread(self.close)

    def cancel(self) -> None:
        """Stop the reply at its next token. Any thread may call this."""
        self._cancelled = True

    def close(self) -> None:
        """End the reply here; calling it again is harmless. Any thread may call this."""
        self.cancel()
        with self._one_at_a_time:
            self._pieces.close()
            if self._ledger is None:  # never started, so its generator had nothing to finish
                now = time.perf_counter()
                self._finish(0, _Clock(now, now, None), complete=False)

    def _generate(self) -> Generator[ReplyPiece, None, None]:
        clock = _Clock(time.perf_counter(), 0.0, None)
        notes_tokens, complete = 0, False
        try:
            notes = self._turn.notes
            notes_tokens = self._window.open_reply(
                notes.text, [record.id for record in notes.records]
            )
            clock.opened = time.perf_counter()
            self._prompt_tokens = self._window.n_tokens
            with closing(self._tokens()) as tokens:
                for token, piece in tokens:
                    clock.first = clock.first or time.perf_counter()
                    known = len(self._spoken.thought)
                    text = self._spoken.take(token, piece)
                    thought = self._spoken.thought[known:]
                    if text or thought:
                        yield ReplyPiece(text, thought)
                    if self._spoken.stopped:
                        break
                    if self._cancelled:
                        return
            complete = True
            known = len(self._spoken.thought)
            rest = self._spoken.finish()
            thought = self._spoken.thought[known:]
            if rest or thought:
                yield ReplyPiece(rest, thought)
        finally:
            self._finish(notes_tokens, clock, complete=complete)

    def _tokens(self) -> Generator[tuple[int, bytes], None, None]:
        options, keep = self._options, self._spoken.evaluated
        if self._turn.given is not None:
            return self._window.dictate(self._turn.given, keep)
        self._most = self._window.room_for_reply(options.max_tokens)
        return self._window.generate(options.sampling, options.max_tokens, keep)

    def _finish(self, notes_tokens: int, clock: _Clock, *, complete: bool) -> None:
        """Store what was said and write the ledger."""
        turn, end = self._turn, time.perf_counter()
        kept = self._keep(self._spoken, complete)
        self._window.close_reply(
            self._spoken.tokens,
            () if kept is None else kept.shown,
            quoted=() if kept is None else kept.quoted,
            n_before=self._spoken.n_thought_tokens,
        )
        repeats = [one.repeat for one in (turn.kept, kept) if one is not None]
        opened = clock.opened or end
        self._ledger = Ledger(
            turn_id=turn.kept.record.id,
            reply_id=kept.record.id if kept is not None and kept.stored else None,
            memories=turn.notes.memories,
            dropped=turn.notes.dropped,
            likelihood=turn.likelihood,
            repeats=tuple(repeat for repeat in repeats if repeat is not None),
            user_tokens=turn.user_tokens,
            unread_tokens=turn.unread_tokens,
            notes_tokens=notes_tokens,
            reply_tokens=len(self._spoken.tokens),
            evaluated_tokens=self._window.tokens_evaluated - turn.evaluated_before,
            left_window=turn.left_window,
            room=turn.room,
            complete=complete,
            timings=Timings(
                prefill_s=turn.prefill_s,
                recall_s=turn.recall_s,
                store_s=turn.store_s + time.perf_counter() - end,
                notes_s=opened - clock.began,
                first_token_s=None if clock.first is None else clock.first - turn.started,
                generate_s=end - opened,
            ),
        )
        self._on_end(self._ledger, turn.kept.stored or (kept is not None and kept.stored))


async def in_thread(job: Callable[[], T], cancel: Callable[[], None]) -> T:
    """Run `job` in a thread; if the task is cancelled, cancel the job and wait for it to end."""
    running = asyncio.ensure_future(asyncio.to_thread(job))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        cancel()
        await asyncio.wait([running])
        raise


@dataclass(slots=True)
class _Clock:
    """When generation began, when the prompt was evaluated, and when the first token came."""

    began: float
    opened: float
    first: float | None
