"""A reply in the making, and the ledger that says afterwards why it said what it said."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lmort_memory._notes import Injected, Notes
from lmort_memory.backbone.tokens import StreamDecoder
from lmort_memory.types import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmort_memory._window import RoomMade, Window
    from lmort_memory.backbone import Sampling


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of a turn's phases.

    Attributes:
        prefill_s: Evaluating the user's words.
        recall_s: Their vector, the recall and the packing of notes.
        store_s: Storing both turns, the reply's vector included.
        notes_s: Evaluating the notes and the opening of the reply.
        first_token_s: From the start of the turn to the first token of the reply; None without one.
        generate_s: Generating the reply, its reader's time included.
    """

    prefill_s: float
    recall_s: float
    store_s: float
    notes_s: float
    first_token_s: float | None
    generate_s: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """Why a reply said what it said.

    Attributes:
        turn_id: Record of the user's turn.
        reply_id: Record of the reply; None where nothing was said.
        memories: What was injected, in the order of the prompt.
        dropped: What was recalled and did not fit.
        user_tokens: Tokens of the user's words.
        notes_tokens: Tokens of the notes block.
        reply_tokens: Tokens of the reply.
        evaluated_tokens: Tokens that this turn ran through the model, the template's included.
        left_window: Messages that left the context to make room.
        room: How room was made: "shifted" (what is kept was moved up), "evaluated again" (this
            model's positions cannot move), or None where nothing left.
        complete: False where the reply was broken off.
    """

    turn_id: str
    reply_id: str | None
    memories: tuple[Injected, ...]
    dropped: tuple[Record, ...]
    user_tokens: int
    notes_tokens: int
    reply_tokens: int
    evaluated_tokens: int
    left_window: int
    room: RoomMade | None
    complete: bool
    timings: Timings


@dataclass(frozen=True, slots=True)
class TurnSoFar:
    """What is known of a turn before its reply."""

    record: Record
    notes: Notes
    user_tokens: int
    evaluated_before: int
    left_window: int
    room: RoomMade | None
    started: float
    prefill_s: float
    recall_s: float
    store_s: float


class ReplyOptions(Protocol):
    """What a reply needs of `ChatOptions`."""

    @property
    def sampling(self) -> Sampling: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def stop(self) -> tuple[str, ...]: ...


class Spoken:
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


class Reply:
    """Iterate it for its text, piece by piece, then read `ledger`.

    Breaking off the iteration, or an exception out of it (Ctrl-C), ends the reply; what was said
    until then is stored.
    """

    def __init__(
        self,
        turn: TurnSoFar,
        window: Window,
        *,
        options: ReplyOptions,
        store: Callable[[Spoken, bool], Record | None],
        on_end: Callable[[Ledger], None],
    ) -> None:
        """Made by `Chat.say`."""
        self._turn = turn
        self._window = window
        self._options = options
        self._store = store
        self._on_end = on_end
        self._spoken = Spoken((*options.stop, *window.stops))
        self._pieces = self._generate()
        self._ledger: Ledger | None = None

    @property
    def memories(self) -> tuple[Injected, ...]:
        """What was recalled for this reply, known before its first word."""
        return self._turn.notes.memories

    @property
    def turn(self) -> Record:
        """The record of the user's turn."""
        return self._turn.record

    @property
    def text(self) -> str:
        """What has been said so far."""
        return self._spoken.text

    @property
    def ledger(self) -> Ledger:
        """Why it said that.

        Raises:
            RuntimeError: the reply is not finished.
        """
        if self._ledger is None:
            raise RuntimeError("the reply is not finished; iterate it to its end first")
        return self._ledger

    def __iter__(self) -> Iterator[str]:
        return self._pieces

    def close(self) -> None:
        """End the reply here; calling it again does nothing."""
        self._pieces.close()
        if self._ledger is None:  # it was never begun, so its generator had nothing to end
            now = time.perf_counter()
            self._finish(0, _Clock(now, now, None), complete=False)

    def _generate(self) -> Generator[str, None, None]:
        clock = _Clock(time.perf_counter(), 0.0, None)
        notes_tokens, complete = 0, False
        try:
            notes_tokens = self._window.open_reply(self._turn.notes.text)
            clock.opened = time.perf_counter()
            sampled = self._window.generate(self._options.sampling, self._options.max_tokens)
            for token, piece, states in sampled:
                clock.first = clock.first or time.perf_counter()
                text = self._spoken.take(token, piece, states)
                if text:
                    yield text
                if self._spoken.stopped:
                    break
            complete = True
            rest = self._spoken.finish()
            if rest:
                yield rest
        finally:
            self._finish(notes_tokens, clock, complete=complete)

    def _finish(self, notes_tokens: int, clock: _Clock, *, complete: bool) -> None:
        """Store what was said and write the ledger."""
        turn, end = self._turn, time.perf_counter()
        record = self._store(self._spoken, complete)
        reply_id = None if record is None else record.id
        self._window.close_reply(self._spoken.tokens, reply_id)
        opened = clock.opened or end
        self._ledger = Ledger(
            turn_id=turn.record.id,
            reply_id=reply_id,
            memories=turn.notes.memories,
            dropped=turn.notes.dropped,
            user_tokens=turn.user_tokens,
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
        self._on_end(self._ledger)


@dataclass(slots=True)
class _Clock:
    """When the reply's generation began, when its prompt was evaluated, when it first spoke."""

    began: float
    opened: float
    first: float | None
