"""The ledger: what a reply was given, what it cost, and which parts only repeated records.

The store keeps a ledger as JSON of ids and numbers. Of a turn that only repeats records, it also
holds what stands between the repeated stretches: up to a fifth of a reply's words. The memories'
texts stay in their records, and a ledger goes with any record that it names, so forgetting a record
leaves no copy in a ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lmort_memory.chat.notes import Injected
from lmort_memory.chat.repetition import Link
from lmort_memory.errors import StoreError
from lmort_memory.store.values import LedgerEntry
from lmort_memory.types import Record, Scores

if TYPE_CHECKING:
    from lmort_memory.chat.window import RoomMade

_DIGITS = 6  # decimals of stored scores and seconds


@dataclass(frozen=True, slots=True)
class Timings:
    """Duration of each phase of a turn, in seconds.

    Attributes:
        prefill_s: Evaluating the user's words.
        recall_s: Making their vector, recalling, and packing the notes.
        store_s: Storing both turns, including the reply's vector.
        notes_s: Evaluating the notes and the opening of the reply.
        first_token_s: From the start of the turn to the first token of the reply; None without one.
        generate_s: Generating the reply, including the time its reader takes.
    """

    prefill_s: float
    recall_s: float
    store_s: float
    notes_s: float
    first_token_s: float | None
    generate_s: float


@dataclass(frozen=True, slots=True)
class Repeat:
    """A turn that repeats existing records: stored as links to them, not as a copy.

    Attributes:
        id: The turn's own id; not a record's.
        role: "user" or "assistant".
        parts: Its text: stretches of records, with its own words between them.
    """

    id: str
    role: str
    parts: tuple[Link | str, ...]

    @property
    def records(self) -> tuple[str, ...]:
        """The records it repeats, each once."""
        return tuple(dict.fromkeys(p.record_id for p in self.parts if isinstance(p, Link)))


@dataclass(frozen=True, slots=True)
class Ledger:
    """Why a reply said what it said.

    Attributes:
        turn_id: Record of the user's turn, or the id of its `Repeat`.
        reply_id: Record of the reply, or the id of its `Repeat`; None if the reply was empty.
        memories: The injected memories, in prompt order.
        dropped: Recalled records that did not fit.
        likelihood: Estimated probability that the answer is stored, 0 to 1; below the chat's
            threshold nothing was injected. None with recall off.
        repeats: Which of the two turns only repeat what was in view.
        user_tokens: Tokens of the user's words.
        notes_tokens: Tokens of the notes block.
        reply_tokens: Tokens of the reply.
        evaluated_tokens: Tokens that this turn ran through the model, including the template's.
        left_window: Messages that left the context to make room.
        room: How room was made: "shifted" (the rest was moved up), "evaluated again" (this model's
            positions cannot move), or None if nothing left.
        unread_tokens: Tokens of the user's words that did not fit the context: the model read the
            most relevant parts; everything is stored.
        complete: False if the reply was cut short.
    """

    turn_id: str
    reply_id: str | None
    memories: tuple[Injected, ...]
    dropped: tuple[Record, ...]
    likelihood: float | None
    repeats: tuple[Repeat, ...]
    user_tokens: int
    notes_tokens: int
    reply_tokens: int
    evaluated_tokens: int
    left_window: int
    room: RoomMade | None
    complete: bool
    timings: Timings
    unread_tokens: int = 0


_PLAIN = (
    "turn_id",
    "reply_id",
    "likelihood",
    "user_tokens",
    "notes_tokens",
    "reply_tokens",
    "evaluated_tokens",
    "left_window",
    "room",
    "complete",
)


def to_entry(ledger: Ledger, *, scope: str, session: str) -> LedgerEntry:
    """Return a ledger's stored form, keyed by the id of the user's turn."""
    payload: dict[str, Any] = {name: getattr(ledger, name) for name in _PLAIN}
    payload["scope"] = scope
    payload["unread_tokens"] = ledger.unread_tokens
    payload["timings"] = asdict(ledger.timings)
    payload["memories"] = [
        {
            "id": memory.record.id,
            "score": memory.score,
            "scores": asdict(memory.scores),
            "tokens": memory.tokens,
            "earlier": [record.id for record in memory.earlier],
            "asked": None if memory.asked is None else memory.asked.id,
        }
        for memory in ledger.memories
    ]
    payload["dropped"] = [record.id for record in ledger.dropped]
    payload["repeats"] = [asdict(repeat) for repeat in ledger.repeats]
    own = [ledger.turn_id] if ledger.reply_id is None else [ledger.turn_id, ledger.reply_id]
    named = [
        *own,
        *(one.id for memory in ledger.memories for one in memory.records),
        *(record.id for record in ledger.dropped),
        *(id_ for repeat in ledger.repeats for id_ in repeat.records),
    ]
    ids = tuple(dict.fromkeys(named))
    return LedgerEntry(ledger.turn_id, session, ids, _rounded(payload))


def from_entry(entry: LedgerEntry, records: Mapping[str, Record]) -> Ledger:
    """Rebuild the ledger that `to_entry` wrote, without memories that have expired since.

    Raises:
        StoreError: the entry is damaged, or a later version wrote it.
    """
    try:
        return _rebuilt(entry, records)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StoreError(
            f"the ledger of the turn {entry.reply_id} cannot be read: {error!r} — it is damaged, or"
            " a later version wrote it; the turn itself is intact"
        ) from error


def _rebuilt(entry: LedgerEntry, records: Mapping[str, Record]) -> Ledger:
    payload: Mapping[str, Any] = entry.payload
    memories = [
        Injected(
            records[m["id"]],
            m["score"],
            Scores(**m["scores"]),
            m["tokens"],
            tuple(records[id_] for id_ in m.get("earlier", ()) if id_ in records),
            records.get(m.get("asked") or ""),
        )
        for m in payload["memories"]
        if m["id"] in records
    ]
    return Ledger(
        memories=tuple(memories),
        dropped=tuple(records[id_] for id_ in payload["dropped"] if id_ in records),
        repeats=repeats_of(entry),
        timings=Timings(**payload["timings"]),
        unread_tokens=payload.get("unread_tokens", 0),  # entries of the first version lack it
        **{name: payload[name] for name in _PLAIN},
    )


def repeats_of(entry: LedgerEntry) -> tuple[Repeat, ...]:
    """Return the repeated turns that an entry keeps; none if the entry is damaged."""
    found: list[Any] = entry.payload.get("repeats", [])  # type: ignore[assignment]
    try:
        return tuple(
            Repeat(
                one["id"],
                one["role"],
                tuple(part if isinstance(part, str) else Link(**part) for part in one["parts"]),
            )
            for one in found
        )
    except (KeyError, TypeError):  # a chat opens without them
        return ()


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
