"""Whole records in and out, with their versions, ledgers and sources: for exports and copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from lmort_memory.store.clock import from_us, to_us
from lmort_memory.store.postgres import ledgers, records, sources, vectors
from lmort_memory.store.postgres.connection import Connection, Server, fetching
from lmort_memory.store.records import rows
from lmort_memory.store.values import Dumped, LedgerEntry, SourceState
from lmort_memory.types import Record

__all__ = [
    "PostgresMoving",
    "dump",
    "restore",
]

PAGE = 500
VERSIONS = """
SELECT r.n, r.id, h.text, h.role, r.scope, r.session, r.created_at, h.updated_at, h.metadata,
       r.source_uri, r.source_start, r.source_end, h.expires_at,
       r.valid_from, r.valid_to, r.superseded_by
FROM history h JOIN records r USING (n) WHERE r.id = ANY (%s) ORDER BY r.id, h.h
"""
PUT_VERSION = """
INSERT INTO history (n, scope, text, role, updated_at, expires_at, metadata)
SELECT n, scope, %s, %s, %s, %s, %s FROM records WHERE id = %s
"""


def dump(
    connection: Connection, page: Sequence[tuple[Any, ...]], names: Sequence[str]
) -> list[Dumped]:
    """Return records, given as rows, with their origins and vectors."""
    ids = [row[1] for row in page]
    found = {name: vectors.read_vectors(connection, name, ids) for name in names}
    asked = connection.execute("SELECT id, origin FROM records WHERE id = ANY (%s)", [ids])
    origins = {id_: origin and bytes(origin) for id_, origin in asked}
    return [
        Dumped(
            rows.to_record(row),
            origins.get(row[1]),
            {name: by_id[row[1]] for name, by_id in found.items() if row[1] in by_id},
        )
        for row in page
    ]


def restore(connection: Connection, dumped: Sequence[Dumped]) -> int:
    """Insert records under their ids unless id or origin is taken; returns how many were new."""
    placed = records.insert(connection, [(one.record, one.origin) for one in dumped])
    new = [one for one in dumped if one.record.id in placed]
    for name in dict.fromkeys(name for one in new for name in one.vectors):
        some = [one for one in new if name in one.vectors]
        vectors.put_vectors(
            connection, name, [one.record for one in some], [one.vectors[name] for one in some]
        )
    return len(placed)


def _versions(connection: Connection, ids: Sequence[str]) -> dict[str, list[Record]]:
    """Return the earlier versions of records, oldest first."""
    found: dict[str, list[Record]] = {}
    for row in connection.execute(VERSIONS, [list(ids)]):
        found.setdefault(row[1], []).append(rows.to_record(row))
    return found


def _put_versions(connection: Connection, given: Mapping[str, Sequence[Record]]) -> None:
    """Replace the earlier versions of records."""
    connection.execute(
        "DELETE FROM history WHERE n IN (SELECT n FROM records WHERE id = ANY (%s))", [list(given)]
    )
    values = [
        (
            one.text,
            one.role,
            to_us(one.updated_at),
            None if one.expires_at is None else to_us(one.expires_at),
            rows.dump_metadata(one.metadata),
            id_,
        )
        for id_, old in given.items()
        for one in old
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(PUT_VERSION, values)


class PostgresMoving:
    """Part of `PostgresStore`: see `lmort_memory.store.protocol.Movable`."""

    _server: Server

    def frozen(self) -> AbstractContextManager[None]:
        """Let every read of this thread inside the block see one snapshot."""
        return self._server.frozen()

    def versions(self, ids: Sequence[str]) -> dict[str, list[Record]]:
        """Return the earlier versions of records, oldest first."""
        return self._server.read("copy", lambda c: _versions(c, ids))

    def put_versions(self, versions: Mapping[str, Sequence[Record]]) -> None:
        """Replace the earlier versions of records."""
        self._server.write("copy to", lambda c: _put_versions(c, versions))

    def every_ledger(self) -> Iterator[tuple[LedgerEntry, datetime]]:
        """Iterate over all entries of the ledger with their times, in order of their replies."""
        sql = ledgers.ROWS.replace("FROM ledger l\n", ", l.created_at FROM ledger l")
        sql += f" WHERE l.reply_id > %s ORDER BY l.reply_id LIMIT {PAGE}"
        last = ""
        while True:
            page = self._server.read("copy", fetching(sql, [last]))
            for row in page:
                yield ledgers.to_entry(row[:4]), from_us(row[4])
            if len(page) < PAGE:
                return
            last = page[-1][0]

    def put_ledgers(self, entries: Sequence[tuple[LedgerEntry, datetime]]) -> None:
        """Store entries with their times."""
        scope = self._server.address.scope

        def work(connection: Connection) -> None:
            for entry, at in entries:
                ledgers.add(connection, entry, tenant=scope, at=to_us(at))

        self._server.write("copy to", work)

    def every_source(self) -> Iterator[tuple[str, SourceState, datetime]]:
        """Iterate over all sources with their scopes and times, in order."""
        sql = (
            "SELECT scope, uri, digest, size_bytes, modified_ns, stored_at FROM sources"
            f" WHERE (scope, uri) > (%s, %s) ORDER BY scope, uri LIMIT {PAGE}"
        )
        last = ("", "")
        while True:
            page = self._server.read("copy", fetching(sql, last))
            for row in page:
                yield row[0], SourceState(*row[1:5]), from_us(row[5])
            if len(page) < PAGE:
                return
            last = (page[-1][0], page[-1][1])

    def put_sources(self, given: Sequence[tuple[str, SourceState, datetime]]) -> None:
        """Store the states of sources with their times."""

        def work(connection: Connection) -> None:
            for scope, state, at in given:
                sources.put_source(connection, state, scope=scope, at=to_us(at))

        self._server.write("copy to", work)
