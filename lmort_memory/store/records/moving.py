"""What a copy of a whole store needs besides its records: ledgers and sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from lmort_memory.store.clock import from_us, to_us
from lmort_memory.store.connection import Database
from lmort_memory.store.paging import PAGE, Row, pages
from lmort_memory.store.records import ledgers, sources
from lmort_memory.store.values import LedgerEntry, SourceState

__all__ = ["SOURCES", "SQLiteMoving"]

LEDGERS = f"{ledgers.ROWS} WHERE l.reply_id > ? ORDER BY l.reply_id LIMIT {PAGE}"
SOURCES = f"""
SELECT scope, uri, digest, size_bytes, modified_ns, stored_at FROM sources
WHERE (scope, uri) > (?, ?) ORDER BY scope, uri LIMIT {PAGE}
"""


class SQLiteMoving:
    """Part of `SQLiteStore`: see `lmort_memory.store.protocol.Movable`."""

    _database: Database

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let every read of this thread inside the block see one snapshot."""
        with self._database.snapshot("copy"):
            yield

    def every_ledger(self) -> Iterator[LedgerEntry]:
        """Iterate over all entries of the ledger, in order of their replies."""
        for page in pages(partial(self._rows, LEDGERS), [""], slice(1)):
            yield from filter(None, map(ledgers.to_entry, page))

    def every_source(self) -> Iterator[tuple[str, SourceState, datetime]]:
        """Iterate over all sources with their scopes and times, in order."""
        for page in pages(partial(self._rows, SOURCES), ["", ""], slice(2)):
            for row in page:
                yield row[0], sources.to_state(row[1:5], scope=row[0]), from_us(row[5])

    def put_sources(self, given: Sequence[tuple[str, SourceState, datetime]]) -> None:
        """Store the states of sources with their times."""
        with self._database.write("copy to") as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        state.uri,
                        scope,
                        state.digest,
                        state.size_bytes,
                        state.modified_ns,
                        to_us(at),
                    )
                    for scope, state, at in given
                ],
            )

    def _rows(self, sql: str, after: Sequence[object]) -> list[Row]:
        with self._database.read("copy") as connection:
            return connection.execute(sql, after).fetchall()
