"""The library's values as the memory API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

from lmort_memory.serve import schemas

if TYPE_CHECKING:
    from lmort_memory.chat import Ledger
    from lmort_memory.store.values import Receipt, SessionInfo
    from lmort_memory.types import Hit, Record

__all__ = ["hit", "ledger", "receipt", "record", "records", "session"]


def record(value: Record) -> schemas.Record:
    """Show a record."""
    return msgspec.convert(value, schemas.Record, from_attributes=True)


def records(values: Iterable[Record]) -> list[schemas.Record]:
    """Show records."""
    return [record(value) for value in values]


def hit(value: Hit) -> schemas.Hit:
    """Show a hit."""
    return msgspec.convert(value, schemas.Hit, from_attributes=True)


def receipt(value: Receipt) -> schemas.Receipt:
    """Show what a forget removed."""
    return msgspec.convert(asdict(value), schemas.Receipt)


def session(value: SessionInfo) -> schemas.Session:
    """Show a session."""
    return schemas.Session(
        session=value.first.session or "",
        scope=value.first.scope,
        turns=value.turns,
        first=record(value.first),
        last_at=value.last_at,
    )


def ledger(value: Ledger) -> schemas.Ledger:
    """Show why a reply said what it said."""
    return schemas.Ledger(
        turn_id=value.turn_id,
        reply_id=value.reply_id,
        memories=[
            schemas.LedgerLine(
                record=record(memory.record),
                score=memory.score,
                scores=msgspec.convert(memory.scores, schemas.Scores, from_attributes=True),
                tokens=memory.tokens,
            )
            for memory in value.memories
        ],
        dropped=records(value.dropped),
        likelihood=value.likelihood,
        user_tokens=value.user_tokens,
        unread_tokens=value.unread_tokens,
        notes_tokens=value.notes_tokens,
        reply_tokens=value.reply_tokens,
        evaluated_tokens=value.evaluated_tokens,
        left_window=value.left_window,
        room=value.room,
        complete=value.complete,
        timings=msgspec.convert(asdict(value.timings), schemas.Timings),
    )
