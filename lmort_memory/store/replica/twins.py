"""The same content stored on two devices: one record, under the smaller of the two ids.

A device that meets both notes the pair, once and for ever; pairs travel like everything else. All
ids that are connected by pairs are one record. It is forgotten when any of them is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

__all__ = ["add", "close", "dead", "members", "root"]

MEMBERS = """
WITH RECURSIVE member (id) AS (
    SELECT ? UNION
    SELECT t.main FROM twins t JOIN member USING (id) UNION
    SELECT t.id FROM twins t JOIN member m ON t.main = m.id
)
SELECT id FROM member ORDER BY id
"""
# What is forgotten under one id is forgotten under all.
CLOSE = """
WITH RECURSIVE dead (id) AS (
    SELECT id FROM tombstones WHERE id IN (SELECT id FROM twins UNION SELECT main FROM twins) UNION
    SELECT t.main FROM twins t JOIN dead USING (id) UNION
    SELECT t.id FROM twins t JOIN dead d ON t.main = d.id
)
INSERT OR IGNORE INTO tombstones (id) SELECT id FROM dead
"""


def add(connection: sqlite3.Connection, one: str, other: str, *, published: bool) -> None:
    """Note that two ids are one record."""
    if one != other:
        pair = (max(one, other), min(one, other), published)
        connection.execute("INSERT OR IGNORE INTO twins VALUES (?, ?, ?)", pair)


def members(connection: sqlite3.Connection, record_id: str) -> list[str]:
    """Return every id of a record, the smallest first."""
    return [id_ for (id_,) in connection.execute(MEMBERS, (record_id,))]


def root(connection: sqlite3.Connection, record_id: str) -> str:
    """Return the id under which a record is kept here: the smallest, or the one that exists."""
    ids = members(connection, record_id)
    if len(ids) == 1:
        return record_id
    marks = ",".join("?" * len(ids))
    there = connection.execute(f"SELECT min(id) FROM records WHERE id IN ({marks})", ids).fetchone()
    return str(there[0] or ids[0])


def dead(connection: sqlite3.Connection, ids: Iterable[str]) -> bool:
    """Whether any of these ids was forgotten."""
    known = "SELECT 1 FROM tombstones WHERE id = ?"
    return any(connection.execute(known, (one,)).fetchone() for one in ids)


def close(connection: sqlite3.Connection) -> None:
    """Forget a record under all of its ids."""
    connection.execute(CLOSE)
