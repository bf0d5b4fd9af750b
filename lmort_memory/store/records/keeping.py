"""Records and their versions: stored once, read, changed, replaced, exported."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from lmort_memory.store.clock import from_us, now_us
from lmort_memory.store.connection import Database
from lmort_memory.store.filters import compile_filter
from lmort_memory.store.paging import PAGE, Row, pages
from lmort_memory.store.records import edits, rows, supersession
from lmort_memory.store.records.ledgers import restore as restore_ledger
from lmort_memory.store.values import Dumped, Filter, LedgerEntry, Stored
from lmort_memory.store.vectors import spaces

if TYPE_CHECKING:
    from lmort_memory.types import Encoded, Record, Turn

__all__ = ["SQLiteRecords"]

ORIGINS = """
SELECT id, origin FROM records
WHERE typeof(origin) = 'blob' AND length(origin) > 0 AND id IN (SELECT value FROM json_each(?))
"""


class SQLiteRecords:
    """Part of `SQLiteStore`: see `lmort_memory.store.protocol.Records`."""

    _database: Database

    def add(
        self,
        turns: Sequence[Turn],
        *,
        space: str | None = None,
        encoded: Sequence[Encoded] | None = None,
    ) -> list[Stored]:
        """Store turns in one transaction; the same content from the same origin is stored once.

        `encoded` holds the vectors of all turns, in the space `space`; without it the records are
        pending. An existing record keeps its vectors.

        Raises:
            ValueError: the metadata is not valid JSON, or there is not one Encoded per turn.
            SpaceMismatchError: the vectors' width is not the space's.
        """
        with self._database.write("add to") as connection:
            stored = [_add(connection, turn) for turn in turns]
            if encoded is not None and space is not None:
                records = [one.record for one in stored]
                spaces.put_vectors(connection, space, records, encoded)
        return stored

    def restore(self, dumped: Sequence[Dumped], *, ledgers: Sequence[LedgerEntry] = ()) -> int:
        """Import exported records and ledger entries under their ids; returns how many records."""
        with self._database.write("import into") as connection:
            for entry in ledgers:
                restore_ledger(connection, entry)
            return sum(_restore(connection, one) for one in dumped)

    def dump(self, chosen: Filter, *, vectors: bool = False) -> Iterator[Dumped]:
        """Iterate like `records`, with what `restore` needs."""
        with self._database.read("export") as connection:
            names = spaces.list_names(connection) if vectors else []
        for page in self._pages(chosen, None):
            records = [rows.to_record(row) for row in page]
            ids = [one.id for one in records]
            with self._database.read("export") as connection:
                found = {name: spaces.read_vectors(connection, name, ids) for name in names}
                versions = edits.versions(connection, ids)
                origins = dict(connection.execute(ORIGINS, (json.dumps(ids),)))
            for one in records:
                own = {name: by_id[one.id] for name, by_id in found.items() if one.id in by_id}
                history = tuple(versions.get(one.id, ()))
                yield Dumped(one, origins.get(one.id), own, history)

    def get(self, ids: Iterable[str]) -> dict[str, Record]:
        """Return the records that exist and have not expired, by id, in the order of `ids`."""
        wanted = tuple(ids)
        condition, values = compile_filter(Filter(ids=wanted))
        sql = f"SELECT {rows.COLUMNS} FROM records r WHERE {condition}"
        with self._database.read() as connection:
            found = {row[1]: rows.to_record(row) for row in connection.execute(sql, values)}
        return {id_: found[id_] for id_ in wanted if id_ in found}

    def update(self, record_id: str, turn: Turn) -> Record:
        """Replace text, role, metadata and expiry of a record; the old version becomes history.

        Raises:
            RecordNotFoundError: no record has the id.
        """
        with self._database.write("update") as connection:
            return edits.update(connection, record_id, turn)

    def set_expiry(self, ids: Sequence[str], expires_at: datetime | None) -> int:
        """Change when records expire, without a new version; returns how many were changed."""
        with self._database.write("change") as connection:
            return edits.set_expiry(connection, ids, expires_at)

    def history(self, record_id: str) -> list[Record]:
        """Return the versions of a record, oldest first; the current one is last.

        Raises:
            RecordNotFoundError: no record has the id.
        """
        with self._database.snapshot() as connection:
            return edits.history(connection, record_id)

    def supersede(
        self, old_id: str, new_id: str, *, at: datetime | None = None
    ) -> tuple[Record, Record]:
        """Replace one record by another from `at` on; see `records.supersession`."""
        with self._database.write("update") as connection:
            return supersession.supersede(connection, old_id, new_id, at)

    def predecessors(self, ids: Iterable[str]) -> dict[str, list[Record]]:
        """Return the records that each of these has replaced, latest first."""
        with self._database.read() as connection:
            return supersession.predecessors(connection, ids)

    def superseded(self, chosen: Filter, *, limit: int) -> dict[str, str]:
        """Return the ids of the latest replaced records, and of those that replaced them last."""
        with self._database.read() as connection:
            return supersession.superseded(connection, compile_filter(chosen), limit)

    def records(self, chosen: Filter, *, after: str | None = None) -> Iterator[Record]:
        """Iterate in order of id, starting after `after`; concurrent writes repeat no record."""
        for page in self._pages(chosen, after):
            yield from map(rows.to_record, page)

    def _pages(self, chosen: Filter, after: str | None) -> Iterator[list[Row]]:
        condition, values = compile_filter(chosen)
        sql = (
            f"SELECT {rows.COLUMNS} FROM records r WHERE r.id > ? AND {condition}"
            f" ORDER BY r.id LIMIT {PAGE}"
        )

        def read(last: Sequence[object]) -> list[Row]:
            with self._database.read() as connection:
                return connection.execute(sql, [*last, *values]).fetchall()

        return pages(read, [after or ""], slice(1, 2))


def _add(connection: sqlite3.Connection, turn: Turn) -> Stored:
    origin = rows.origin_of(turn)
    there = _of_origin(connection, origin)
    now = from_us(now_us())
    while rows.says_anew(turn) and there is not None and there.valid_to and there.valid_to <= now:
        origin = rows.again(origin)
        there = _of_origin(connection, origin)
    if there is not None:
        if there.expires_at is None or there.expires_at > now:
            return Stored(there, new=False)
        connection.execute("UPDATE records SET origin = NULL WHERE origin = ?", (origin,))
    return Stored(rows.insert(connection, turn, origin)[1], new=True)


def _of_origin(connection: sqlite3.Connection, origin: bytes) -> Record | None:
    row = connection.execute(
        f"SELECT {rows.COLUMNS} FROM records r WHERE r.origin = ?", (origin,)
    ).fetchone()
    return None if row is None else rows.to_record(row)


def _restore(connection: sqlite3.Connection, dumped: Dumped) -> bool:
    record = dumped.record
    there = "SELECT 1 FROM records WHERE id = ? OR origin = ?"
    if connection.execute(there, (record.id, dumped.origin)).fetchone():
        return False
    n = rows.insert_record(connection, record, dumped.origin)
    edits.keep(connection, n, dumped.history)
    for name, encoded in dumped.vectors.items():
        spaces.put_vectors(connection, name, [record], [encoded])
    return True
