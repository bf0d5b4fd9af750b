"""Changing one record, and its history; inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from lmort_memory.store.clock import now_us, to_us
from lmort_memory.store.records import rows
from lmort_memory.store.vectors.spaces import drop_vectors
from lmort_memory.types import Record, Turn

__all__ = ["history", "keep", "set_expiry", "update", "versions"]

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


def update(connection: sqlite3.Connection, record_id: str, turn: Turn) -> Record:
    """Replace text, role, metadata and expiry of a record by those of `turn`.

    The old version becomes history. If the text changes, its vectors are deleted in every space.

    Raises:
        RecordNotFoundError: no record has the id.
    """
    n, old = rows.find(connection, record_id)
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
    return rows.find(connection, record_id)[1]


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
    present = rows.find(connection, record_id)[1]
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
