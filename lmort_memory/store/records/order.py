"""Records in the order in which they were stored or said: the newest, sessions, neighbours."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from lmort_memory.store.clock import now_us, to_us
from lmort_memory.store.connection import Database
from lmort_memory.store.filters import compile_filter
from lmort_memory.store.records import rows
from lmort_memory.store.records.links import linking
from lmort_memory.store.values import Around, Facets, Filter, SessionInfo
from lmort_memory.types import Record, Source

__all__ = ["SQLiteOrder", "place_of"]

SAME_SESSION = "r.session = :session AND r.scope = :scope"
SAME_SOURCE = "r.session IS NULL AND r.source_uri = :uri AND r.scope = :scope"


class SQLiteOrder:
    """Part of `SQLiteStore`: see `lmort_memory.store.protocol.Order`."""

    _database: Database

    def latest(self, chosen: Filter, *, limit: int) -> list[Record]:
        """Return the records stored last, newest at the end."""
        condition, values = compile_filter(chosen)
        sql = f"SELECT {rows.COLUMNS} FROM records r WHERE {condition} ORDER BY r.id DESC LIMIT ?"
        with self._database.read() as connection:
            found = connection.execute(sql, [*values, limit]).fetchall()
        return [rows.to_record(row) for row in reversed(found)]

    def sessions(self, chosen: Filter, *, limit: int) -> list[SessionInfo]:
        """Return the most recently active sessions, newest at the end."""
        condition, values = compile_filter(chosen)
        sql = f"""
        SELECT g.turns, g.last_at, {rows.COLUMNS}
        FROM (SELECT count(*) AS turns, min(r.id) AS first, max(r.created_at) AS last_at
              FROM records r WHERE r.session NOT NULL AND {condition}
              GROUP BY r.session, r.scope ORDER BY last_at DESC, first DESC LIMIT ?) g
        JOIN records r ON r.id = g.first ORDER BY g.last_at, g.first
        """
        with self._database.read() as connection:
            found = connection.execute(sql, [*values, limit]).fetchall()
        return [rows.to_session(row) for row in found]

    def facets(self, chosen: Filter) -> Facets:
        """Count the chosen records by scope and by role, and their sessions, each of one scope."""
        condition, values = compile_filter(chosen)
        with self._database.read() as connection:
            counted = connection.execute(
                "SELECT r.scope, r.role, count(*) FROM records r"
                f" WHERE {condition} GROUP BY r.scope, r.role",
                values,
            ).fetchall()
            (sessions,) = connection.execute(
                "SELECT count(*) FROM (SELECT DISTINCT r.scope, r.session FROM records r"
                f" WHERE r.session NOT NULL AND {condition})",
                values,
            ).fetchone()
        return Facets.of(counted, sessions)

    def around(self, record_id: str, n: int) -> Around:
        """Return the `n` turns before and after a record in its session (else its source).

        For a record without a session, up to `n` records of other sources that link to its note
        come with them.

        Raises:
            RecordNotFoundError: no record has the id.
        """
        with self._database.snapshot() as connection:
            number, record = rows.find(connection, record_id)
            if record.session is None and record.source is None:
                return Around()
            before, after = _neighbours(connection, number, record, n)
            links = [] if record.session is not None else linking(connection, record, n)
        return Around(tuple(reversed(before)), tuple(after), tuple(links))

    def followers(self, ids: Sequence[str], chosen: Filter) -> dict[str, str]:
        """Return the turn after each of these in its session, if it passes the filter.

        If that turn does not pass the filter there is no follower, rather than a later one.
        """
        condition, values = compile_filter(chosen)
        sql = (
            "SELECT b.id, r.id FROM json_each(?) wanted JOIN records b ON b.id = wanted.value"
            " JOIN records r ON r.n = (SELECT f.n FROM records f WHERE f.session = b.session"
            " AND f.scope = b.scope AND (f.created_at, f.n) > (b.created_at, b.n)"
            f" ORDER BY f.created_at, f.n LIMIT 1) WHERE {condition} AND typeof(r.id) = 'text'"
        )
        with self._database.read() as connection:
            return dict(connection.execute(sql, [json.dumps(list(ids)), *values]).fetchall())


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


def _neighbours(
    connection: sqlite3.Connection, number: int, record: Record, n: int
) -> tuple[list[Record], list[Record]]:
    """Return the `n` records before and the `n` after one, the nearest first."""
    by_session = record.session is not None
    key = "r.created_at" if by_session else "IFNULL(r.source_start, 0)"
    same = SAME_SESSION if by_session else SAME_SOURCE
    values = {**place_of(record), "n": number, "now": now_us(), "limit": n}
    found = []
    for sign, order in (("<", "DESC"), (">", "ASC")):
        sql = (
            f"SELECT {rows.COLUMNS} FROM records r WHERE {same} AND ({key}, r.n) {sign} (:key, :n)"
            " AND (r.expires_at IS NULL OR r.expires_at > :now)"
            f" ORDER BY {key} {order}, r.n {order} LIMIT :limit"
        )
        found.append([rows.to_record(row) for row in connection.execute(sql, values)])
    return found[0], found[1]
