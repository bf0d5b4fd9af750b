"""What a copy of a whole store needs besides its records: versions, ledgers and sources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby

from lmort_memory.store.clock import from_us, to_us
from lmort_memory.store.connection import Database
from lmort_memory.store.records import ledgers, rows
from lmort_memory.store.values import LedgerEntry, SourceState
from lmort_memory.types import Record

__all__ = ["SQLiteMoving"]

PAGE = 500
VERSIONS = """
SELECT r.n, r.id, h.text, h.role, r.scope, r.session, r.created_at, h.updated_at, h.metadata,
       r.source_uri, r.source_start, r.source_end, h.expires_at,
       r.valid_from, r.valid_to, r.superseded_by
FROM history h JOIN records r USING (n)
WHERE r.id IN (SELECT value FROM json_each(?)) ORDER BY r.id, h.h
"""
PUT_VERSION = """
INSERT INTO history (n, text, role, updated_at, expires_at, metadata)
SELECT n, ?, ?, ?, ?, ? FROM records WHERE id = ?
"""
LEDGER = """
SELECT l.reply_id, l.session, l.payload,
       (SELECT group_concat(record_id, char(10)) FROM ledger_records r
        WHERE r.reply_id = l.reply_id), l.created_at
FROM ledger l WHERE l.reply_id > ? ORDER BY l.reply_id LIMIT ?
"""
SOURCES = """
SELECT scope, uri, digest, size_bytes, modified_ns, stored_at FROM sources
WHERE (scope, uri) > (?, ?) ORDER BY scope, uri LIMIT ?
"""


class SQLiteMoving:
    """Part of `SQLiteStore`: see `lmort_memory.store.protocol.Movable`."""

    _database: Database

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let every read of this thread inside the block see one snapshot."""
        with self._database.snapshot("copy"):
            yield

    def versions(self, ids: Sequence[str]) -> dict[str, list[Record]]:
        """Return the earlier versions of records, oldest first."""
        with self._database.read("copy") as connection:
            found = map(rows.to_record, connection.execute(VERSIONS, (json.dumps(list(ids)),)))
            return {id_: list(old) for id_, old in groupby(found, key=lambda one: one.id)}

    def put_versions(self, versions: Mapping[str, Sequence[Record]]) -> None:
        """Replace the earlier versions of records."""
        with self._database.write("copy to") as connection:
            connection.execute(
                "DELETE FROM history WHERE n IN (SELECT n FROM records"
                " WHERE id IN (SELECT value FROM json_each(?)))",
                (json.dumps(list(versions)),),
            )
            connection.executemany(
                PUT_VERSION,
                [
                    (
                        one.text,
                        one.role,
                        to_us(one.updated_at),
                        None if one.expires_at is None else to_us(one.expires_at),
                        rows.dump_metadata(one.metadata),
                        id_,
                    )
                    for id_, old in versions.items()
                    for one in old
                ],
            )

    def every_ledger(self) -> Iterator[tuple[LedgerEntry, datetime]]:
        """Iterate over all entries of the ledger with their times, in order of their replies."""
        last = ""
        while True:
            with self._database.read("copy") as connection:
                page = connection.execute(LEDGER, (last, PAGE)).fetchall()
            for row in page:
                yield ledgers.to_entry(row[:4]), from_us(row[4])
            if len(page) < PAGE:
                return
            last = page[-1][0]

    def put_ledgers(self, entries: Sequence[tuple[LedgerEntry, datetime]]) -> None:
        """Store entries with their times."""
        with self._database.write("copy to") as connection:
            for entry, at in entries:
                ledgers.add(connection, entry, at=to_us(at))

    def every_source(self) -> Iterator[tuple[str, SourceState, datetime]]:
        """Iterate over all sources with their scopes and times, in order."""
        last = ("", "")
        while True:
            with self._database.read("copy") as connection:
                page = connection.execute(SOURCES, (*last, PAGE)).fetchall()
            for row in page:
                yield row[0], SourceState(*row[1:5]), from_us(row[5])
            if len(page) < PAGE:
                return
            last = (page[-1][0], page[-1][1])

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
