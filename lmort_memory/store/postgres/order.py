"""Records in the order in which they were stored or said: the newest, sessions, neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from lmort_memory.store.clock import now_us
from lmort_memory.store.postgres.connection import Connection, Server, fetching
from lmort_memory.store.postgres.filters import condition_of
from lmort_memory.store.postgres.records import find
from lmort_memory.store.postgres.stems import any_of, phrase_of
from lmort_memory.store.records import rows
from lmort_memory.store.records.links import LOOKED_AT, names_of, pick
from lmort_memory.store.records.order import place_of
from lmort_memory.store.values import Around, Facets, Filter, SessionInfo
from lmort_memory.store.words.tokenizer import fold
from lmort_memory.types import Record

__all__ = ["PostgresOrder"]

FOLLOWERS = """
SELECT b.id, r.id FROM unnest(%s::text[]) AS wanted (id) JOIN records b ON b.id = wanted.id
JOIN LATERAL (SELECT f.n FROM records f WHERE f.session = b.session AND f.scope = b.scope
              AND (f.created_at, f.n) > (b.created_at, b.n)
              ORDER BY f.created_at, f.n LIMIT 1) after ON TRUE
JOIN records r ON r.n = after.n
"""
SAME_SESSION = "r.session = %(session)s AND r.scope = %(scope)s"
SAME_SOURCE = "r.session IS NULL AND r.source_uri = %(uri)s AND r.scope = %(scope)s"


class PostgresOrder:
    """Part of `PostgresStore`: see `lmort_memory.store.protocol.Order`."""

    _server: Server

    def latest(self, chosen: Filter, *, limit: int) -> list[Record]:
        """Return the records stored last, newest at the end."""
        condition, values = condition_of(chosen)
        sql = f"SELECT {rows.COLUMNS} FROM records r WHERE {condition} ORDER BY r.id DESC LIMIT %s"
        found = self._server.read("read", fetching(sql, [*values, limit]))
        return [rows.to_record(row) for row in reversed(found)]

    def sessions(self, chosen: Filter, *, limit: int) -> list[SessionInfo]:
        """Return the most recently active sessions, newest at the end."""
        condition, values = condition_of(chosen)
        sql = f"""
        SELECT g.turns, g.last_at, {rows.COLUMNS}
        FROM (SELECT count(*) AS turns, min(r.id) AS first, max(r.created_at) AS last_at
              FROM records r WHERE r.session IS NOT NULL AND {condition}
              GROUP BY r.session, r.scope ORDER BY last_at DESC, first DESC LIMIT %s) g
        JOIN records r ON r.id = g.first ORDER BY g.last_at, g.first
        """
        found = self._server.read("read", fetching(sql, [*values, limit]))
        return [rows.to_session(row) for row in found]

    def facets(self, chosen: Filter) -> Facets:
        """Count the chosen records by scope and by role, and their sessions, each of one scope."""
        condition, values = condition_of(chosen)
        by_kind = (
            "SELECT r.scope, r.role, count(*) FROM records r"
            f" WHERE {condition} GROUP BY r.scope, r.role"
        )
        by_session = (
            "SELECT count(*) FROM (SELECT DISTINCT r.scope, r.session FROM records r"
            f" WHERE r.session IS NOT NULL AND {condition}) counted"
        )

        def work(connection: Connection) -> Facets:
            counted = connection.execute(by_kind, values).fetchall()
            (sessions,) = connection.execute(by_session, values).fetchone()
            return Facets.of(counted, sessions)

        return self._server.read("read", work)

    def around(self, record_id: str, n: int) -> Around:
        """Return the `n` turns before and after a record in its session (else its source).

        For a record without a session, up to `n` records of other sources that link to its note
        come with them.

        Raises:
            RecordNotFoundError: no record has the id.
        """

        def work(connection: Connection) -> Around:
            number, record = find(connection, record_id)
            if record.session is None and record.source is None:
                return Around()
            before, after = _neighbours(connection, number, record, n)
            links = [] if record.session is not None else _linking(connection, record, n)
            return Around(tuple(reversed(before)), tuple(after), tuple(links))

        return self._server.snapshot("read", work)

    def followers(self, ids: Sequence[str], chosen: Filter) -> dict[str, str]:
        """Return the turn after each of these in its session, if it passes the filter."""
        condition, values = condition_of(chosen)
        sql = f"{FOLLOWERS} WHERE {condition}"
        return dict(self._server.read("read", fetching(sql, [list(ids), *values])))


def _neighbours(
    connection: Connection, number: int, record: Record, n: int
) -> tuple[list[Record], list[Record]]:
    """Return the `n` records before and the `n` after one, the nearest first."""
    by_session = record.session is not None
    key = "r.created_at" if by_session else "COALESCE(r.source_start, 0)"
    same = SAME_SESSION if by_session else SAME_SOURCE
    values = {**place_of(record), "n": number, "now": now_us(), "limit": n}
    found = []
    for sign, order in (("<", "DESC"), (">", "ASC")):
        sql = (
            f"SELECT {rows.COLUMNS} FROM records r WHERE {same} AND ({key}, r.n) {sign}"
            " (%(key)s::bigint, %(n)s::bigint)"
            " AND (r.expires_at IS NULL OR r.expires_at > %(now)s)"
            f" ORDER BY {key} {order}, r.n {order} LIMIT %(limit)s"
        )
        found.append([rows.to_record(row) for row in connection.execute(sql, values)])
    return found[0], found[1]


def _linking(connection: Connection, record: Record, n: int) -> list[Record]:
    """Return up to `n` records of other sources whose links name the note of a record."""
    names = names_of(record)
    terms = [term for name in names if (term := phrase_of(fold(name)))]
    if not terms or record.source is None:
        return []
    found = connection.execute(
        f"SELECT {rows.COLUMNS} FROM words w JOIN records r USING (n)"
        " WHERE w.body @@ %s::tsquery AND w.scope = %s AND r.source_uri IS DISTINCT FROM %s"
        " AND (r.expires_at IS NULL OR r.expires_at > %s) ORDER BY r.n DESC LIMIT %s",
        [any_of(terms), record.scope, record.source.uri, now_us(), LOOKED_AT],
    )
    return pick(map(rows.to_record, found), names, n)
