"""Whole records in and out, with their ledgers and sources: for exports and copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial

from lmort_memory.store.clock import from_us, to_us
from lmort_memory.store.paging import PAGE, Row, pages
from lmort_memory.store.postgres import ledgers, records, sources, vectors
from lmort_memory.store.postgres.connection import Connection, Server, fetching, marked
from lmort_memory.store.records import rows
from lmort_memory.store.records.moving import SOURCES
from lmort_memory.store.values import Dumped, LedgerEntry, SourceState

__all__ = [
    "PostgresMoving",
    "dump",
    "restore",
]

LEDGERS = f"{ledgers.ROWS} WHERE l.reply_id > %s ORDER BY l.reply_id LIMIT {PAGE}"


def dump(connection: Connection, page: Sequence[Row], names: Sequence[str]) -> list[Dumped]:
    """Return records, given as rows, with their origins, vectors and earlier versions."""
    ids = [row[1] for row in page]
    found = {name: vectors.read_vectors(connection, name, ids) for name in names}
    old = records.versions(connection, ids)
    asked = connection.execute("SELECT id, origin FROM records WHERE id = ANY (%s)", [ids])
    origins = {id_: origin and bytes(origin) for id_, origin in asked}
    return [
        Dumped(
            rows.to_record(row),
            origins.get(row[1]),
            {name: by_id[row[1]] for name, by_id in found.items() if row[1] in by_id},
            tuple(old.get(row[1], ())),
        )
        for row in page
    ]


def restore(connection: Connection, dumped: Sequence[Dumped]) -> int:
    """Insert records under their ids unless id or origin is taken; returns how many were new."""
    placed = records.insert(connection, [(one.record, one.origin) for one in dumped])
    new = [one for one in dumped if one.record.id in placed]
    records.keep(connection, [(placed[d.record.id], old) for d in new for old in d.history])
    for name in dict.fromkeys(name for one in new for name in one.vectors):
        some = [one for one in new if name in one.vectors]
        vectors.put_vectors(
            connection, name, [one.record for one in some], [one.vectors[name] for one in some]
        )
    return len(placed)


class PostgresMoving:
    """Part of `PostgresStore`: see `lmort_memory.store.protocol.Movable`."""

    _server: Server

    def frozen(self) -> AbstractContextManager[None]:
        """Let every read of this thread inside the block see one snapshot."""
        return self._server.frozen()

    def every_ledger(self) -> Iterator[LedgerEntry]:
        """Iterate over all entries of the ledger, in order of their replies."""
        for page in pages(partial(self._rows, LEDGERS), [""], slice(1)):
            yield from map(ledgers.to_entry, page)

    def every_source(self) -> Iterator[tuple[str, SourceState, datetime]]:
        """Iterate over all sources with their scopes and times, in order."""
        for page in pages(partial(self._rows, marked(SOURCES)), ["", ""], slice(2)):
            for row in page:
                yield row[0], SourceState(*row[1:5]), from_us(row[5])

    def put_sources(self, given: Sequence[tuple[str, SourceState, datetime]]) -> None:
        """Store the states of sources with their times."""

        def work(connection: Connection) -> None:
            for scope, state, at in given:
                sources.put_source(connection, state, scope=scope, at=to_us(at))

        self._server.write("copy to", work)

    def _rows(self, sql: str, after: Sequence[object]) -> list[Row]:
        return self._server.read("copy", fetching(sql, after))
