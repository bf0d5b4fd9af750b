"""Changes of another device, merged in one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from lmort_memory.store.clock import from_us
from lmort_memory.store.records import ledgers
from lmort_memory.store.replica import log, rows, twins
from lmort_memory.store.replica.join import concurrent, fold, join
from lmort_memory.store.replica.state import Changes, LedgerState, Merged, RecordState
from lmort_memory.store.values import LedgerEntry

__all__ = ["apply"]

# From a record to its successor, and on; a record is met again only in a circle.
CHAIN = """
WITH RECURSIVE chain (id) AS (
    SELECT superseded_by FROM records WHERE id = :start AND superseded_by NOT NULL UNION
    SELECT superseded_by FROM records JOIN chain USING (id) WHERE superseded_by NOT NULL
)
SELECT id FROM chain
"""
EARLIEST = """
SELECT r.id FROM records r LEFT JOIN stamps s ON s.id = r.id AND s.part = 'end'
WHERE r.id IN (SELECT value FROM json_each(?))
ORDER BY IFNULL(s.at, 0), IFNULL(s.device, ''), r.id LIMIT 1
"""
# Successors that were forgotten, or turned out to be twins, before they could arrive here.
UNSETTLED = """
SELECT id, superseded_by FROM records WHERE superseded_by NOT NULL AND (
    superseded_by IN (SELECT id FROM tombstones) OR superseded_by IN (SELECT id FROM twins))
"""
BY_ORIGIN = "SELECT id, n, (SELECT count(*) FROM history h WHERE h.n = r.n) FROM records r"


@dataclass(slots=True)
class _Tally:
    ledgers: int = 0
    added: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)


def apply(
    connection: sqlite3.Connection, changes: Changes, *, spaces: Collection[str] | None
) -> Merged:
    """Merge changes; what they forget is noted, and deleted by `Replication.settle`.

    Args:
        connection: Inside a transaction.
        changes: What a bundle says.
        spaces: Spaces whose vectors are kept; None keeps all.
    """
    log.stamp(connection)
    tally = _Tally()
    connection.execute("UPDATE replica SET merging = 1")
    connection.executemany(
        "INSERT OR IGNORE INTO tombstones VALUES (?, 1)", [(one,) for one in changes.forgotten]
    )
    for one, other in changes.twins:
        twins.add(connection, one, other, published=True)
        _unite(connection, twins.members(connection, one))
    twins.close(connection)
    for state in changes.records:
        _merge(connection, state, spaces, tally)
    for entry in changes.ledgers:
        tally.ledgers += _merge_ledger(connection, entry)
    _settle_successors(connection)
    connection.execute("UPDATE replica SET merging = 0")
    for record_id in sorted(tally.added | tally.changed):
        _break_circle(connection, record_id)
    return Merged(
        len(tally.added), frozenset(tally.changed), frozenset(tally.conflicts), tally.ledgers
    )


def _merge(
    connection: sqlite3.Connection,
    state: RecordState,
    spaces: Collection[str] | None,
    tally: _Tally,
) -> None:
    ids = twins.members(connection, state.id)
    if twins.dead(connection, ids):
        return
    if not _exists(connection, ids) and (twin := _twin_of(connection, state)) is not None:
        twins.add(connection, state.id, twin, published=False)
        ids = twins.members(connection, state.id)
        if twins.dead(connection, ids):
            twins.close(connection)
            return
    here = _states(connection, ids)
    if not here:
        _save(connection, state, None, spaces)
        tally.added.add(state.id)
        return
    before = here.get(state.id)
    if before is not None and concurrent(before, state):
        tally.conflicts.add(min(here))
    joined = state if before is None else join(before, state)
    main = _fold(here | {state.id: joined})
    if set(here) == {main.id} and _normal(connection, main) == here[main.id]:
        _add_vectors(connection, here[main.id], state, spaces)
        return
    n = _make_room(connection, main.id, here)
    _save(connection, main, n, spaces, offered=state)
    tally.changed.add(main.id)


def _states(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, RecordState]:
    found = ((id_, rows.load(connection, id_)) for id_ in ids)
    return {id_: state for id_, state in found if state is not None}


def _exists(connection: sqlite3.Connection, ids: Iterable[str]) -> bool:
    return any(rows.number_of(connection, id_) is not None for id_ in ids)


def _fold(states: dict[str, RecordState]) -> RecordState:
    main, *others = (states[id_] for id_ in sorted(states))
    for other in others:
        main = fold(main, other)
    return main


def _unite(connection: sqlite3.Connection, ids: list[str]) -> None:
    """Make one row of the rows of a record that was stored under several ids."""
    here = _states(connection, ids)
    if len(here) > 1:
        main = _fold(here)
        _save(connection, main, _make_room(connection, main.id, here), None)


def _make_room(connection: sqlite3.Connection, main: str, here: dict[str, RecordState]) -> int:
    """Delete all rows of a record but one, and return its number; others point to `main` now."""
    kept = main if main in here else min(here)
    for id_ in here:
        if id_ != main:
            _repoint(connection, id_, main)
        n = rows.number_of(connection, id_)
        if id_ != kept and n is not None:
            rows.delete_row(connection, n)
    n = rows.number_of(connection, kept)
    assert n is not None  # it was loaded in this transaction
    return n


def _repoint(connection: sqlite3.Connection, old: str, new: str) -> None:
    connection.execute("UPDATE records SET superseded_by = ? WHERE superseded_by = ?", (new, old))
    for statement in (
        "UPDATE OR IGNORE ledger_records SET record_id = ? WHERE record_id = ?",
        "UPDATE OR IGNORE changes SET id = ? WHERE id = ? AND part != 'ledger'",
        "UPDATE OR IGNORE stamps SET id = ? WHERE id = ?",
    ):
        connection.execute(statement, (new, old))
    for table, column in (("ledger_records", "record_id"), ("stamps", "id")):
        connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (old,))
    connection.execute("DELETE FROM changes WHERE id = ? AND part != 'ledger'", (old,))


def _save(
    connection: sqlite3.Connection,
    state: RecordState,
    n: int | None,
    spaces: Collection[str] | None,
    *,
    offered: RecordState | None = None,
) -> None:
    state = _normal(connection, state)
    new = n is None or rows.text_of(connection, n) != state.current.text
    n = rows.save(connection, state, n)
    source = offered or state
    if new:
        _claim(connection, n, state.id, source.origin if _says(source, state) else None)
    _add_vectors(connection, state, source, spaces)


def _add_vectors(
    connection: sqlite3.Connection,
    state: RecordState,
    source: RecordState,
    spaces: Collection[str] | None,
) -> None:
    if source.vectors and _says(source, state):
        rows.add_vectors(connection, replace(state, vectors=source.vectors), spaces)


def _says(one: RecordState, other: RecordState) -> bool:
    return one.current.text == other.current.text


def _normal(connection: sqlite3.Connection, state: RecordState) -> RecordState:
    """Let a record's successor be the record of its id: a twin's, or none if it is forgotten."""
    end = state.parts["end"]
    until, successor = end.value
    if successor is None:
        return state
    named = _successor(connection, state.id, str(successor))
    return replace(state, parts={**state.parts, "end": replace(end, value=(until, named))})


def _settle_successors(connection: sqlite3.Connection) -> None:
    for id_, successor in connection.execute(UNSETTLED).fetchall():
        named = _successor(connection, id_, successor)
        if named != successor:
            connection.execute("UPDATE records SET superseded_by = ? WHERE id = ?", (named, id_))


def _successor(connection: sqlite3.Connection, record_id: str, successor: str) -> str | None:
    """Return the id under which a successor is kept; None if it is forgotten, or the record."""
    if twins.dead(connection, twins.members(connection, successor)):
        return None
    named = twins.root(connection, successor)
    return None if named == record_id else named


def _twin_of(connection: sqlite3.Connection, state: RecordState) -> str | None:
    """Return the record that holds the same content of the same origin, if neither was edited."""
    if state.origin is None or len(state.versions) > 1:
        return None
    row = connection.execute(f"{BY_ORIGIN} WHERE origin = ?", (state.origin,)).fetchone()
    return str(row[0]) if row is not None and not row[2] else None


def _claim(connection: sqlite3.Connection, n: int, record_id: str, origin: bytes | None) -> None:
    """Give a row its origin; of two that say the same, the smaller id has it."""
    if origin is not None:
        row = connection.execute(f"{BY_ORIGIN} WHERE origin = ?", (origin,)).fetchone()
        if row is not None and row[1] != n:
            if row[0] < record_id:
                origin = None
            else:
                connection.execute("UPDATE records SET origin = NULL WHERE n = ?", (row[1],))
    connection.execute("UPDATE records SET origin = ? WHERE n = ?", (origin, n))


def _merge_ledger(connection: sqlite3.Connection, entry: LedgerState) -> bool:
    if any(
        twins.dead(connection, twins.members(connection, id_))
        for id_ in (entry.reply_id, *entry.record_ids)
    ):
        return False
    row = connection.execute(
        "SELECT created_at, payload FROM ledger WHERE reply_id = ?", (entry.reply_id,)
    ).fetchone()
    if row is not None:
        known = LedgerState(entry.reply_id, entry.session, row[0], (), json.loads(row[1]))
        if known.rank >= entry.rank:
            return False
    named = tuple(sorted({twins.root(connection, id_) for id_ in entry.record_ids}))
    at = from_us(entry.at)
    ledgers.add(connection, LedgerEntry(entry.reply_id, entry.session, named, entry.payload, at))
    return row is None


def _break_circle(connection: sqlite3.Connection, record_id: str) -> None:
    """Let the record that was superseded first hold again, where records supersede each other.

    Two devices can do that without knowing of each other. It is a change like any other, and
    travels.
    """
    chain = [id_ for (id_,) in connection.execute(CHAIN, {"start": record_id})]
    if record_id in chain:
        (first,) = connection.execute(EARLIEST, (json.dumps(chain),)).fetchone()
        connection.execute(
            "UPDATE records SET valid_to = NULL, superseded_by = NULL WHERE id = ?", (first,)
        )
