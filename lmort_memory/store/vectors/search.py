"""Dense ranking: keep the spaces of one database current in memory, and search them.

vector_query.py applies a filter to a ranking; candidates.py finds the few records that a selective
filter can match. Small spaces, small scopes and selective filters are ranked exactly; the graph
answers the rest.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from lmort_memory.errors import DamagedStoreError, SpaceMismatchError, StoreError
from lmort_memory.store.connection import Database
from lmort_memory.store.damaged import DAMAGED
from lmort_memory.store.filters import compile_filter
from lmort_memory.store.values import DenseMatch, Filter
from lmort_memory.store.vectors.cachefiles import CacheFiles
from lmort_memory.store.vectors.candidates import CandidateFilter
from lmort_memory.store.vectors.matrix import Floats, Ids, View
from lmort_memory.store.vectors.refresh import Refresher, Space, load_matrix
from lmort_memory.store.vectors.vector_query import VectorQuery
from lmort_memory.types import Progress

__all__ = ["DenseSearch", "check_width"]

WIDEST = 1 << 20  # numbers in a vector; no model comes near

BATCH = 2000  # vectors read per statement


class DenseSearch:
    """Searches the spaces of one database; thread-safe.

    Args:
        graph_from: Number of vectors in a space above which a graph is kept.
    """

    def __init__(self, database: Database, *, graph_from: int) -> None:
        self.files = CacheFiles(database)
        self._database = database
        self._spaces: dict[int, Space] = {}
        self._guard = threading.Lock()
        self._prepared: dict[str, threading.Thread] = {}
        self._closed = False
        self._narrow = CandidateFilter()
        self._refresher = Refresher(
            database, self.files, graph_from=graph_from, current=self._current
        )

    def search(
        self, space: str, vector: NDArray[np.float32], chosen: Filter, *, limit: int
    ) -> list[DenseMatch]:
        """Return the best `limit` records of a space that pass the filter.

        Raises:
            SpaceMismatchError: the vector's width is not the space's.
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
            look = VectorQuery(connection, view, found.graph, vector, condition, limit)
            return self._matches(look, found.s, chosen)

    def prepare(self, space: str) -> None:
        """Begin to read a space in a thread of its own, once; a search waits for it.

        A question is encoded meanwhile. In an encrypted database each page is decrypted and
        checked when it is read, 10 us of computing each.
        """
        with self._guard:
            if space in self._prepared or self._closed:
                return
            self._prepared[space] = thread = threading.Thread(
                target=self._read, args=(space,), name="lmort-read", daemon=True
            )
            thread.start()

    def build(self, *, progress: Progress | None = None) -> None:
        """Load, extend or build the graph of every space now, and save it."""
        with self._database.translated("index"):
            for space in self._all():
                self._refresher.refresh(space, progress=progress)

    def scrub(self, vectors: Sequence[int]) -> None:
        """Make sure that no file contains one of these deleted vectors."""
        if vectors:
            with self._database.translated("clean"):
                for space in self._all():
                    self._refresher.scrub(space)

    def release(self) -> None:
        """Free the memory and the files of spaces that no longer exist."""
        with self._database.read("clean") as connection:
            there = {s for (s,) in connection.execute("SELECT s FROM spaces")}
        with self._guard:
            self._spaces = {s: space for s, space in self._spaces.items() if s in there}
        with self._database.translated("clean"):
            self.files.delete_orphans()

    def close(self) -> None:
        """Stop the background work, and wait for what is read."""
        with self._guard:
            self._closed = True
            reading = list(self._prepared.values())
        for thread in reading:
            thread.join()
        self._refresher.close()

    def _read(self, space: str) -> None:
        with suppress(StoreError), self._database.snapshot("search") as connection:
            if (found := self._space(connection, space)) is not None:
                self._current(found)

    def _matches(self, look: VectorQuery, s: int, chosen: Filter) -> list[DenseMatch]:
        few = None
        likely = self._narrow.likely(s, chosen)
        if likely:
            few = self._narrow.vectors(look.connection, s, chosen, of=len(look.view))
        if few is None:
            matches = look.nearest()
            if matches is not None:
                return matches
        if not likely:
            few = self._narrow.vectors(look.connection, s, chosen, of=len(look.view))
        return look.everything() if few is None else look.among(few)

    def _all(self) -> list[Space]:
        with self._database.read() as connection:
            names = connection.execute("SELECT name FROM spaces").fetchall()
            found = [self._space(connection, name) for (name,) in names]
        return [space for space in found if space is not None]

    def _space(self, connection: sqlite3.Connection, name: str) -> Space | None:
        """Return a space; the first time, with its saved matrix."""
        row = connection.execute("SELECT s, dim FROM spaces WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        s, dim = row
        if not isinstance(dim, int) or not 1 <= dim <= WIDEST:
            raise DamagedStoreError(f"the width of the space {name:.40} is {dim!r:.20} — {DAMAGED}")
        with self._guard:
            if s not in self._spaces:
                cache = self.files.find(connection, s, "matrix")
                matrix = load_matrix(self.files, cache, dim)
                deleted = cache.deleted if cache is not None and matrix.last else 0
                self._spaces[s] = Space(s, dim, matrix, deleted)
            return self._spaces[s]

    def _current(self, space: Space) -> View:
        """Return all vectors that this thread's connection sees, reading only new ones."""
        with self._database.snapshot() as connection, space.lock:
            new = connection.execute(
                # a damaged one is left out: it hides no other
                "SELECT v, vector FROM vectors WHERE s = ? AND v > ?"
                " AND typeof(vector) = 'blob' AND length(vector) = ? ORDER BY v",
                (space.s, space.matrix.last, 2 * space.matrix.dim),
            )
            while rows := new.fetchmany(BATCH):
                space.matrix.extend([v for v, _ in rows], [blob for _, blob in rows])
            row = connection.execute(
                "SELECT deleted FROM spaces WHERE s = ? AND typeof(deleted) = 'integer'", (space.s,)
            ).fetchone()
            # Otherwise this snapshot is older than the last one.
            if row is not None and row[0] > space.deleted:
                alive = connection.execute("SELECT v FROM vectors WHERE s = ?", (space.s,))
                space.matrix.keep_only(_ids(alive))
                space.deleted = row[0]
            return space.matrix.view()


def check_width(space: str, vector: Floats, dim: int) -> None:
    """Raise SpaceMismatchError unless the vector has `dim` numbers."""
    if vector.shape != (dim,):
        raise SpaceMismatchError(
            f"cannot search the space {space}: found a vector of shape {vector.shape}, expected "
            f"({dim},) — encode the query with the encoder of that space",
            expected=f"({dim},)",
            found=str(vector.shape),
        )


def _ids(rows: Iterable[tuple[int]]) -> Ids:
    return np.fromiter((v for (v,) in rows), np.int64)
