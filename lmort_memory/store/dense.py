"""Dense ranking: nearest vectors first, then SQL says which of them the filter lets through.

A filter is applied to the ranking itself, never to a cut-off top k: the best vectors are checked
in SQL, more of them when too few pass, and when the filter is selective the vectors that pass are
fetched first and ranked among themselves. All three give the exact filtered ranking.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lmort_memory.errors import SpaceMismatchError
from lmort_memory.store.connection import Database
from lmort_memory.store.filters import Condition, compile_filter
from lmort_memory.store.matrix import Floats, Ids, Matrix, View
from lmort_memory.store.values import DenseMatch, Filter

__all__ = ["DenseSearch"]

WIDER = 8  # how many times more vectors the second look takes before SQL selects them all
BATCH = 2000  # vectors read or checked with one statement

CHECK = """
SELECT v.v, r.id, v.start, v.stop FROM vectors v JOIN records r ON r.n = v.n
WHERE v.v IN (SELECT value FROM json_each(?)) AND {condition}
"""
SELECT = "SELECT v.v FROM records r JOIN vectors v ON v.n = r.n AND v.s = ? WHERE {condition}"


@dataclass(slots=True)
class _Space:
    """What is in memory of one space: all vectors up to `matrix.last`, less `deleted` ones."""

    matrix: Matrix
    deleted: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class DenseSearch:
    """Searches the spaces of one database; thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._spaces: dict[int, _Space] = {}
        self._guard = threading.Lock()

    def search(
        self, space: str, vector: NDArray[np.float32], chosen: Filter, *, limit: int
    ) -> list[DenseMatch]:
        """Return the best `limit` records of a space that the filter lets through.

        Raises:
            SpaceMismatchError: the vector has another width than the space.
        """
        condition = compile_filter(chosen)
        with self._database.snapshot("search") as connection:
            row = connection.execute(
                "SELECT s, dim, deleted FROM spaces WHERE name = ?", (space,)
            ).fetchone()
            if row is None:
                return []
            s, dim, deleted = row
            check_width(space, vector, dim)
            view = self._current(connection, s, dim, deleted)
            if chosen.ids is None:
                matches = _nearest(connection, view, vector, condition, limit)
                if matches is not None:
                    return matches
            ranking = view.among(vector, _selected(connection, s, condition))
            return _walk(connection, ranking, condition, limit)

    def _current(self, connection: sqlite3.Connection, s: int, dim: int, deleted: int) -> View:
        """Return all vectors that the connection's snapshot sees, reading only what is new."""
        with self._guard:
            space = self._spaces.setdefault(s, _Space(Matrix(dim)))
        with space.lock:
            new = connection.execute(
                "SELECT v, vector FROM vectors WHERE s = ? AND v > ? ORDER BY v",
                (s, space.matrix.last),
            )
            while rows := new.fetchmany(BATCH):
                space.matrix.extend([v for v, _ in rows], [blob for _, blob in rows])
            if deleted != space.deleted:
                alive = connection.execute("SELECT v FROM vectors WHERE s = ?", (s,))
                space.matrix.keep_only(_ids(alive))
                space.deleted = deleted
            return space.matrix.view()


def check_width(space: str, vector: Floats, dim: int) -> None:
    """Raise SpaceMismatchError unless the vector is one of `dim` numbers."""
    if vector.shape != (dim,):
        raise SpaceMismatchError(
            f"cannot search the space {space}: found a vector of shape {vector.shape}, expected "
            f"({dim},) — encode the query with the encoder of that space",
            expected=f"({dim},)",
            found=str(vector.shape),
        )


def _nearest(
    connection: sqlite3.Connection,
    view: View,
    vector: Floats,
    condition: Condition,
    limit: int,
) -> list[DenseMatch] | None:
    """Check the nearest vectors; None where too few pass to be sure of the best `limit`."""
    count = limit + limit // 2 + 16  # some records own several chunks
    for wanted in (count, count * WIDER):
        ranking = view.best(vector, wanted)
        matches = _walk(connection, ranking, condition, limit)
        if len(matches) == limit or len(ranking[0]) < wanted:
            return matches
    return None


def _walk(
    connection: sqlite3.Connection, ranking: tuple[Ids, Floats], condition: Condition, limit: int
) -> list[DenseMatch]:
    """Go down a ranking of vectors until it has given `limit` records that pass the filter."""
    sql = CHECK.format(condition=condition[0])
    matches: dict[str, DenseMatch] = {}
    for start in range(0, len(ranking[0]), BATCH):
        ids = ranking[0][start : start + BATCH].tolist()
        rows = connection.execute(sql, [json.dumps(ids), *condition[1]])
        passing = {v: (record_id, (first, stop)) for v, record_id, first, stop in rows}
        for v, score in zip(ids, ranking[1][start : start + BATCH].tolist(), strict=True):
            if v in passing and passing[v][0] not in matches:
                record_id, span = passing[v]
                matches[record_id] = DenseMatch(record_id, min(1.0, max(-1.0, score)), span)
                if len(matches) == limit:
                    return list(matches.values())
    return list(matches.values())


def _selected(connection: sqlite3.Connection, s: int, condition: Condition) -> Ids:
    sql = SELECT.format(condition=condition[0])
    return np.unique(_ids(connection.execute(sql, [s, *condition[1]])))


def _ids(rows: Iterable[tuple[int]]) -> Ids:
    return np.fromiter((v for (v,) in rows), np.int64)
