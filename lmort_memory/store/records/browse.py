"""Listings for people: the newest records, the sessions, and counts."""

from __future__ import annotations

import sqlite3
from collections import Counter

from lmort_memory.store.clock import from_us
from lmort_memory.store.damaged import reading
from lmort_memory.store.filters import Condition
from lmort_memory.store.records import rows
from lmort_memory.store.values import Facets, SessionInfo
from lmort_memory.types import Record

__all__ = ["count", "latest", "list_sessions"]


def latest(connection: sqlite3.Connection, condition: Condition, *, limit: int) -> list[Record]:
    """Return the records stored last, newest at the end."""
    sql, values = condition
    found = connection.execute(
        f"SELECT {rows.COLUMNS} FROM records r WHERE {sql} ORDER BY r.id DESC LIMIT ?",
        [*values, limit],
    )
    return [rows.to_record(row) for row in reversed(found.fetchall())]


def count(connection: sqlite3.Connection, condition: Condition) -> Facets:
    """Count records by scope and by role, and their sessions."""
    sql, values = condition
    scopes: Counter[str] = Counter()
    roles: Counter[str] = Counter()
    for scope, role, n in connection.execute(
        f"SELECT r.scope, r.role, count(*) FROM records r WHERE {sql} GROUP BY r.scope, r.role",
        values,
    ):
        scopes[scope] += n
        roles[role] += n
    (sessions,) = connection.execute(
        "SELECT count(*) FROM"
        f" (SELECT DISTINCT r.scope, r.session FROM records r WHERE r.session NOT NULL AND {sql})",
        values,
    ).fetchone()
    return Facets(sum(scopes.values()), dict(scopes), dict(roles), sessions)


def list_sessions(
    connection: sqlite3.Connection, condition: Condition, *, limit: int
) -> list[SessionInfo]:
    """Return the most recently active sessions, newest at the end."""
    sql, values = condition
    found = connection.execute(
        f"""
        SELECT g.turns, g.last_at, {rows.COLUMNS}
        FROM (SELECT count(*) AS turns, min(r.id) AS first, max(r.created_at) AS last_at
              FROM records r WHERE r.session NOT NULL AND {sql}
              GROUP BY r.session, r.scope ORDER BY last_at DESC, first DESC LIMIT ?) g
        JOIN records r ON r.id = g.first ORDER BY g.last_at, g.first
        """,
        [*values, limit],
    )
    with reading("a time of a session"):
        return [
            SessionInfo(first=rows.to_record(row[2:]), turns=row[0], last_at=from_us(row[1]))
            for row in found
        ]
