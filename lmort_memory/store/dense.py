"""Dense ranking: nearest vectors first, then SQL says which of them the filter lets through.

A filter is applied to the ranking itself, never to a cut-off top k: the best vectors are checked
in SQL, more of them when too few pass, and when the filter is selective the vectors that pass are
fetched first and ranked among themselves. All three give the exact filtered ranking.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lmort_memory.errors import SpaceMismatchError
from lmort_memory.store.cachefiles import CacheFiles
from lmort_memory.store.connection import Database
from lmort_memory.store.filters import Condition, compile_filter
from lmort_memory.store.graph import Graph
from lmort_memory.store.matrix import Floats, Ids, View, top
from lmort_memory.store.refresh import Refresher, Space, load_matrix
from lmort_memory.store.values import DenseMatch, Filter
from lmort_memory.types import Progress

__all__ = ["DenseSearch"]

WIDER = 8  # how many times more vectors the second look takes before SQL selects them all
GRAPH_MOST = 1024  # vectors asked of a graph; walking to more takes longer than scanning
WAIT_S = 0.005  # for a slice of additions to end, before scanning instead
BATCH = 2000  # vectors read or checked with one statement

# CROSS JOIN fixes SQLite's order: left alone, it may walk through a whole scope instead.
CHECK = """
SELECT v.v, r.id, v.start, v.stop
FROM json_each(?) w CROSS JOIN vectors v ON v.v = w.value CROSS JOIN records r ON r.n = v.n
WHERE {condition}
"""
SELECT = "SELECT v.v FROM records r JOIN vectors v ON v.n = r.n AND v.s = ? WHERE {condition}"


class DenseSearch:
    """Searches the spaces of one database; thread-safe.

    Args:
        graph_from: Vectors in a space from which on a graph is kept for it.
    """

    def __init__(self, database: Database, *, graph_from: int) -> None:
        self.files = CacheFiles(database)
        self._database = database
        self._spaces: dict[int, Space] = {}
        self._guard = threading.Lock()
        self._refresher = Refresher(
            database, self.files, graph_from=graph_from, current=self._current
        )

    def search(
        self, space: str, vector: NDArray[np.float32], chosen: Filter, *, limit: int
    ) -> list[DenseMatch]:
        """Return the best `limit` records of a space that the filter lets through.

        Raises:
            SpaceMismatchError: the vector has another width than the space.
        """
        condition = compile_filter(chosen)
        with self._database.snapshot("search") as connection:
            found = self._space(connection, space)
            if found is None:
                return []
            check_width(space, vector, found.dim)
            view = self._current(found)
            if self._refresher.wanted(found, view):
                self._refresher.begin(found)
            if chosen.ids is None:
                matches = _nearest(connection, (view, found.graph), vector, condition, limit)
                if matches is not None:
                    return matches
            ranking = view.among(vector, _selected(connection, found.s, condition))
            return _walk(connection, ranking, condition, limit)

    def build(self, *, progress: Progress | None = None) -> None:
        """Load, grow or build the graph of every space now, and save it."""
        with self._database.translated("index"):
            for space in self._all():
                self._refresher.refresh(space, progress=progress)

    def scrub(self, vectors: Sequence[int]) -> None:
        """Leave no file that holds one of these deleted vectors."""
        if vectors:
            with self._database.translated("clean"):
                for space in self._all():
                    self._refresher.scrub(space)

    def close(self) -> None:
        """Stop the background work."""
        self._refresher.close()

    def _all(self) -> list[Space]:
        with self._database.read() as connection:
            names = connection.execute("SELECT name FROM spaces").fetchall()
            found = [self._space(connection, name) for (name,) in names]
        return [space for space in found if space is not None]

    def _space(self, connection: sqlite3.Connection, name: str) -> Space | None:
        """Return a space, with the matrix that was saved of it the first time."""
        row = connection.execute("SELECT s, dim FROM spaces WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        s, dim = row
        with self._guard:
            if s not in self._spaces:
                cache = self.files.find(connection, s, "matrix")
                matrix = load_matrix(self.files, cache, dim)
                deleted = cache.deleted if cache is not None and matrix.last else 0
                self._spaces[s] = Space(s, dim, matrix, deleted)
            return self._spaces[s]

    def _current(self, space: Space) -> View:
        """Return all vectors that this thread's connection sees, reading only what is new."""
        with self._database.snapshot() as connection, space.lock:
            new = connection.execute(
                "SELECT v, vector FROM vectors WHERE s = ? AND v > ? ORDER BY v",
                (space.s, space.matrix.last),
            )
            while rows := new.fetchmany(BATCH):
                space.matrix.extend([v for v, _ in rows], [blob for _, blob in rows])
            row = connection.execute(
                "SELECT deleted FROM spaces WHERE s = ?", (space.s,)
            ).fetchone()
            if row is not None and row[0] > space.deleted:  # else an older look than the last
                alive = connection.execute("SELECT v FROM vectors WHERE s = ?", (space.s,))
                space.matrix.keep_only(_ids(alive))
                space.deleted = row[0]
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
    among: tuple[View, Graph | None],
    vector: Floats,
    condition: Condition,
    limit: int,
) -> list[DenseMatch] | None:
    """Check the nearest vectors; None where too few pass to be sure of the best `limit`."""
    view, graph = among
    count = limit + limit // 2 + 16  # some records own several chunks
    for wanted in (count, count * WIDER):
        ranking = _best(view, graph, vector, wanted)
        matches = _walk(connection, ranking, condition, limit)
        if len(matches) == limit or wanted >= len(view):
            return matches
    return None


def _best(view: View, graph: Graph | None, vector: Floats, count: int) -> tuple[Ids, Floats]:
    """Return the nearest vectors: by the graph as far as it reaches, exactly beyond."""
    if graph is None or count > GRAPH_MOST:
        return view.best(vector, count)
    watermark = (
        graph.watermark
    )  # before the walk: what is added meanwhile is found twice, not never
    near = graph.nearest(vector, count, wait_s=WAIT_S)
    if near is None:
        return view.best(vector, count)
    rest = view.after(watermark).best(vector, count)
    ids, first = np.unique(np.concatenate([near[0], rest[0]]), return_index=True)
    scores = np.concatenate([near[1], rest[1]])[first]
    order = top(scores, min(count, len(scores)))
    return ids[order], scores[order]


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
