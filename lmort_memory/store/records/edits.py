"""Changing one record, its history, and the turns around it; inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from lmort_memory.errors import RecordNotFoundError
from lmort_memory.store.clock import now_us, to_us
from lmort_memory.store.filters import Condition
from lmort_memory.store.records import rows
from lmort_memory.store.records.links import linking
from lmort_memory.store.values import Around
from lmort_memory.store.vectors.spaces import drop_vectors
from lmort_memory.types import Record, Source, Turn

__all__ = ["around", "followers", "history", "keep", "place_of", "set_expiry", "update", "versions"]

KEEP = """
INSERT INTO history (n, text, role, updated_at, expires_at, metadata)
SELECT n, text, role, updated_at, expires_at, metadata FROM records WHERE n = ?
"""
CHANGE = """
UPDATE records SET text = ?, role = ?, updated_at = ?, expires_at = ?, metadata = ?, origin = ?
WHERE n = ?
"""
KEPT = """
INSERT INTO history (n, text, role, updated_at, expires_at, metadata) VALUES (?, ?, ?, ?, ?, ?)
"""
# A version as a record: fields that never change come from the record itself.
VERSIONS = """
SELECT r.n, r.id, h.text, h.role, r.scope, r.session, r.created_at, h.updated_at, h.metadata,
       r.source_uri, r.source_start, r.source_end, h.expires_at,
       r.valid_from, r.valid_to, r.superseded_by
FROM history h JOIN records r USING (n)
"""
SAME_SESSION = "r.session = :session AND r.scope = :scope"
SAME_SOURCE = "r.session IS NULL AND r.source_uri = :uri AND r.scope = :scope"


def update(connection: sqlite3.Connection, record_id: str, turn: Turn) -> Record:
    """Replace text, role, metadata and expiry of a record by those of `turn`.

    The old version becomes history. If the text changes, its vectors are deleted in every space.

    Raises:
        RecordNotFoundError: no record has the id.
    """
    n, old = _find(connection, record_id)
    connection.execute(KEEP, (n,))
    now = max(now_us(), to_us(old.updated_at) + 1)  # every version has its own time
    expires = None if turn.expires_at is None else to_us(turn.expires_at)
    origin: bytes | None = rows.origin_of(turn)
    taken = "SELECT 1 FROM records WHERE origin = ? AND n != ?"
    if connection.execute(taken, (origin, n)).fetchone():
        origin = None  # another record already has this content; both stay
    metadata = rows.dump_metadata(turn.metadata)
    connection.execute(CHANGE, (turn.text, turn.role, now, expires, metadata, origin, n))
    connection.execute("UPDATE words SET body = ? WHERE rowid = ?", (rows.searchable(turn), n))
    if turn.text != old.text:
        drop_vectors(connection, n)
    return _find(connection, record_id)[1]


def set_expiry(
    connection: sqlite3.Connection, ids: Sequence[str], expires_at: datetime | None
) -> int:
    """Change when records expire, without a new version; returns how many were changed."""
    return connection.execute(
        "UPDATE records SET expires_at = ? WHERE id IN (SELECT value FROM json_each(?))",
        (None if expires_at is None else to_us(expires_at), json.dumps(list(ids))),
    ).rowcount


def history(connection: sqlite3.Connection, record_id: str) -> list[Record]:
    """Return the versions of a record, oldest first; the current one is last.

    Raises:
        RecordNotFoundError: no record has the id.
    """
    present = _find(connection, record_id)[1]
    return [*versions(connection, [record_id]).get(record_id, ()), present]


def versions(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, list[Record]]:
    """Return the earlier versions of records that have some, oldest first, by id."""
    found: dict[str, list[Record]] = {}
    sql = f"{VERSIONS} WHERE r.id IN (SELECT value FROM json_each(?)) ORDER BY h.n, h.h"
    for row in connection.execute(sql, (json.dumps(list(ids)),)):
        found.setdefault(row[1], []).append(rows.to_record(row))
    return found


def keep(connection: sqlite3.Connection, n: int, old: Iterable[Record]) -> None:
    """Store earlier versions of a record, oldest first."""
    connection.executemany(
        KEPT,
        [
            (
                n,
                one.text,
                one.role,
                to_us(one.updated_at),
                one.expires_at and to_us(one.expires_at),
                rows.dump_metadata(one.metadata),
            )
            for one in old
        ],
    )


def around(connection: sqlite3.Connection, record_id: str, n: int) -> Around:
    """Return the `n` turns before and the `n` after a record in its session, in order.

    For a record without a session, these are its neighbours in its source, with up to `n` records
    of other sources that link to its note.

    Raises:
        RecordNotFoundError: no record has the id.
    """
    number, record = _find(connection, record_id)
    if record.session is None and record.source is None:
        return Around()
    by_session = record.session is not None
    key = "r.created_at" if by_session else "IFNULL(r.source_start, 0)"
    values = {**place_of(record), "n": number, "now": now_us(), "limit": n}
    same = SAME_SESSION if by_session else SAME_SOURCE
    found = []
    for sign, order in (("<", "DESC"), (">", "ASC")):
        sql = (
            f"SELECT {rows.COLUMNS} FROM records r WHERE {same} AND ({key}, r.n) {sign} (:key, :n)"
            " AND (r.expires_at IS NULL OR r.expires_at > :now)"
            f" ORDER BY {key} {order}, r.n {order} LIMIT :limit"
        )
        found.append([rows.to_record(row) for row in connection.execute(sql, values)])
    links = [] if by_session else linking(connection, record, n)
    return Around(tuple(reversed(found[0])), tuple(found[1]), tuple(links))


def place_of(record: Record) -> dict[str, object]:
    """Return where a record is: in its session by time in microseconds, else in its source.

    These are the values of `SAME_SESSION` and `SAME_SOURCE`, and the `key` that orders either.
    """
    source = record.source or Source("")
    by_session = record.session is not None
    return {
        "session": record.session,
        "scope": record.scope,
        "uri": source.uri,
        "key": to_us(record.created_at) if by_session else source.start or 0,
    }


def followers(
    connection: sqlite3.Connection, ids: Sequence[str], chosen: Condition
) -> dict[str, str]:
    """Return the id of the turn after each record in its session, in order of time.

    If that turn does not pass the filter there is no follower, rather than a later one.
    """
    condition, values = chosen
    sql = (
        "SELECT b.id, r.id FROM json_each(?) wanted JOIN records b ON b.id = wanted.value"
        " JOIN records r ON r.n = (SELECT f.n FROM records f WHERE f.session = b.session"
        " AND f.scope = b.scope AND (f.created_at, f.n) > (b.created_at, b.n)"
        f" ORDER BY f.created_at, f.n LIMIT 1) WHERE {condition} AND typeof(r.id) = 'text'"
    )
    return dict(connection.execute(sql, [json.dumps(list(ids)), *values]).fetchall())


def _find(connection: sqlite3.Connection, record_id: str) -> tuple[int, Record]:
    sql = f"SELECT {rows.COLUMNS} FROM records r WHERE r.id = ?"
    row = connection.execute(sql, (record_id,)).fetchone()
    if row is None:
        raise RecordNotFoundError(record_id)
    return row[0], rows.to_record(row)
