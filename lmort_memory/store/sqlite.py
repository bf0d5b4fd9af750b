"""SQLiteStore: the methods of `Store` on one SQLite file and its caches."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from lmort_memory.errors import SpaceMismatchError
from lmort_memory.store import rows, schema
from lmort_memory.store.clock import to_us
from lmort_memory.store.connection import Database
from lmort_memory.store.dense import DenseSearch
from lmort_memory.store.filters import compile_filter
from lmort_memory.store.lexical import match_expression
from lmort_memory.store.matrix import to_halves
from lmort_memory.store.values import (
    DenseMatch,
    Filter,
    LexicalMatch,
    Receipt,
    SpaceInfo,
    Stored,
    StoreStatus,
)

if TYPE_CHECKING:
    from lmort_memory.types import Encoded, Record, Turn

__all__ = ["SQLiteStore"]

PAGE = 500  # records read with one statement while iterating


class SQLiteStore:
    """Records, words and vectors in one file; safe for several threads and processes.

    Args:
        path: The database. It is created, with its folder, where it is missing.

    Raises:
        StoreError: the file is not a database of ours, is of a newer schema, or cannot be opened;
            it was not touched then.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self._database = Database(self.path)
        self._dense = DenseSearch(self._database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; harmless when repeated."""
        self._database.close()

    def add(
        self,
        turns: Sequence[Turn],
        *,
        space: str | None = None,
        encoded: Sequence[Encoded] | None = None,
    ) -> list[Stored]:
        """Store turns in one transaction; the same content of the same origin is stored once.

        `encoded` holds the vectors of all turns, in the space `space`; without it the records are
        pending. An existing record keeps the vectors it has.

        Raises:
            ValueError: metadata that JSON does not have, or a number of vectors unlike that of turns.
            SpaceMismatchError: vectors of another width than the space's.
        """
        with self._database.write("add to") as connection:
            stored = [self._add(connection, turn) for turn in turns]
            if encoded is not None and space is not None:
                records = [one.record for one in stored]
                self._put(connection, space, records, encoded)
        return stored

    def get(self, ids: Iterable[str]) -> dict[str, Record]:
        """Return the records that exist and have not expired, by id, in the order asked for."""
        wanted = tuple(ids)
        condition, values = compile_filter(Filter(ids=wanted))
        sql = f"SELECT {rows.COLUMNS} FROM records r WHERE {condition}"
        with self._database.read() as connection:
            found = {row[1]: rows.to_record(row) for row in connection.execute(sql, values)}
        return {id_: found[id_] for id_ in wanted if id_ in found}

    def records(self, chosen: Filter, *, after: str | None = None) -> Iterator[Record]:
        """Iterate in order of id, from behind `after`; each record once, whatever is written."""
        condition, values = compile_filter(chosen)
        sql = (
            f"SELECT {rows.COLUMNS} FROM records r WHERE r.id > ? AND {condition}"
            f" ORDER BY r.id LIMIT {PAGE}"
        )
        last = after or ""
        while True:
            with self._database.read() as connection:
                page = connection.execute(sql, [last, *values]).fetchall()
            yield from map(rows.to_record, page)
            if len(page) < PAGE:
                return
            last = page[-1][1]

    def dense(
        self, space: str, vector: NDArray[np.float32], chosen: Filter, *, limit: int
    ) -> list[DenseMatch]:
        """Rank records by the cosine of their best chunk; exact, whatever the filter.

        Raises:
            SpaceMismatchError: the vector has another width than the space.
        """
        return self._dense.search(space, vector, chosen, limit=limit)

    def lexical(self, query: str, chosen: Filter, *, limit: int) -> list[LexicalMatch]:
        """Rank records by BM25 of any of the query's words; any text is a query."""
        expression = match_expression(query)
        if expression is None:
            return []
        condition, values = compile_filter(chosen)
        sql = (
            "SELECT r.id, -bm25(words) AS score FROM words JOIN records r ON r.n = words.rowid"
            f" WHERE words MATCH ? AND {condition} ORDER BY score DESC, r.n LIMIT ?"
        )
        with self._database.read("search") as connection:
            found = connection.execute(sql, [expression, *values, limit]).fetchall()
        return [LexicalMatch(id_, score) for id_, score in found]

    def put_vectors(self, space: str, records: Sequence[Record], encoded: Sequence[Encoded]) -> int:
        """Give records their vectors; those changed or gone meanwhile are passed over."""
        with self._database.write("add to") as connection:
            return self._put(connection, space, records, encoded)

    def pending(self, space: str, *, limit: int, after: str | None = None) -> list[Record]:
        """Return records without vectors in the space, in order of id."""
        sql = (
            f"SELECT {rows.COLUMNS} FROM records r WHERE r.id > ? AND NOT EXISTS (SELECT 1 FROM"
            " vectors v WHERE v.n = r.n AND v.s = (SELECT s FROM spaces WHERE name = ?))"
            " ORDER BY r.id LIMIT ?"
        )
        with self._database.read() as connection:
            return [
                rows.to_record(row) for row in connection.execute(sql, (after or "", space, limit))
            ]

    def forget(self, chosen: Filter) -> Receipt:
        """Delete records and every trace of them."""
        condition, values = compile_filter(chosen)
        with self._database.write("forget in") as connection:
            doomed = [
                n
                for (n,) in connection.execute(
                    f"SELECT r.n FROM records r WHERE {condition}", values
                )
            ]
            connection.executemany("DELETE FROM words WHERE rowid = ?", [(n,) for n in doomed])
            vectors = 0
            for n in doomed:
                connection.execute(
                    "UPDATE spaces SET deleted = deleted + (SELECT count(*) FROM vectors v WHERE v.n = ? AND v.s = spaces.s)",
                    (n,),
                )
                vectors += connection.execute("DELETE FROM vectors WHERE n = ?", (n,)).rowcount
                connection.execute("DELETE FROM records WHERE n = ?", (n,))
        return Receipt(records=len(doomed), vectors=vectors)

    def spaces(self) -> list[SpaceInfo]:
        """Return every space that has been used, the oldest first."""
        sql = """
            SELECT name, dim, count(v.v), (SELECT count(*) FROM records) - count(DISTINCT v.n)
            FROM spaces LEFT JOIN vectors v USING (s) GROUP BY s ORDER BY s
        """
        with self._database.read() as connection:
            return [SpaceInfo(*row, indexed=0) for row in connection.execute(sql)]

    def status(self) -> StoreStatus:
        """Return sizes and counts."""
        spaces = self.spaces()
        with self._database.read() as connection:
            records = connection.execute("SELECT count(*) FROM records").fetchone()[0]
            sources = connection.execute("SELECT count(*) FROM sources").fetchone()[0]
        return StoreStatus(
            path=self.path,
            schema=schema.VERSION,
            records=records,
            sources=sources,
            size_bytes=sum(
                file.stat().st_size
                for suffix in ("", "-wal")
                if (file := self.path.with_name(self.path.name + suffix)).exists()
            ),
            index_bytes=0,
            spaces=tuple(spaces),
        )

    def _add(self, connection: sqlite3.Connection, turn: Turn) -> Stored:
        origin = rows.origin_of(turn)
        there = connection.execute(
            f"SELECT {rows.COLUMNS} FROM records r WHERE r.origin = ?", (origin,)
        ).fetchone()
        if there is not None:
            return Stored(rows.to_record(there), new=False)
        return Stored(rows.insert(connection, turn, origin)[1], new=True)

    def _put(
        self,
        connection: sqlite3.Connection,
        space: str,
        records: Sequence[Record],
        encoded: Sequence[Encoded],
    ) -> int:
        if len(records) != len(encoded):
            raise ValueError(f"found {len(encoded)} vectors for {len(records)} records")
        s = self._space(connection, space, encoded)
        put = 0
        for record, vectors in zip(records, encoded, strict=True):
            row = connection.execute(
                "SELECT n FROM records r WHERE id = ? AND updated_at = ?"
                " AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.n = r.n AND v.s = ?)",
                (record.id, to_us(record.updated_at), s),
            ).fetchone()
            if row is not None:
                connection.executemany(
                    "INSERT INTO vectors (s, n, start, stop, vector) VALUES (?, ?, ?, ?, ?)",
                    [
                        (s, row[0], start, stop, to_halves(vector))
                        for (start, stop), vector in zip(
                            vectors.spans, vectors.vectors, strict=True
                        )
                    ],
                )
                put += 1
        return put

    def _space(self, connection: sqlite3.Connection, name: str, encoded: Sequence[Encoded]) -> int:
        row = connection.execute("SELECT s, dim FROM spaces WHERE name = ?", (name,)).fetchone()
        widths = {one.vectors.shape[1] for one in encoded}
        if row is not None:
            widths.add(row[1])
        if len(widths) > 1:
            raise SpaceMismatchError(
                f"cannot store vectors in the space {name}: found widths {sorted(widths)} — "
                "a space has one width; name another space",
                expected=str(row and row[1]),
                found=str(sorted(widths)),
            )
        if row is not None:
            return int(row[0])
        cursor = connection.execute(
            "INSERT INTO spaces (name, dim) VALUES (?, ?)", (name, max(widths, default=0))
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid
