"""Keep the caches of a space up to date: load, build, extend, rebuild and save them.

Nothing waits for this. A search uses the graph for the vectors up to its watermark and scans the
rest exactly; without a graph it scans everything. One thread does the work in slices and stops
after a slice when the store is closed; the result is a valid, shorter graph.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lmort_memory.errors import StoreError
from lmort_memory.store.connection import Database
from lmort_memory.store.vectors.cachefiles import Cache, CacheFiles
from lmort_memory.store.vectors.graph import SETTINGS, Graph, has_graphs
from lmort_memory.store.vectors.matrix import Matrix, View
from lmort_memory.types import Progress

__all__ = ["Refresher", "Space", "load_matrix"]

SLICE = 256  # vectors added at a time; bounds how long a search or `close` waits
MAX_TAIL = 4_000  # vectors that are scanned beside the graph: 0.4 ms at 384 dimensions
SAVE_GROWTH = 0.1  # growth after which a graph is saved: each save writes all of it
SAVE_LEAST = 5_000  # vectors; fewer are faster to add again than to save
MAX_HIDDEN = 0.2  # share of deleted vectors above which a graph is rebuilt
MATRIX = "float16"
IDS = np.dtype("<i8")
HALVES = np.dtype("<i2")


@dataclass(slots=True)
class Space:
    """One space in memory: all vectors up to `matrix.last`, minus `deleted` ones."""

    s: int
    dim: int
    matrix: Matrix
    deleted: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    graph: Graph | None = None
    saved: Cache | None = None
    refused: bool = False


class Refresher:
    """Refreshes the caches of one database, in the background or at once.

    Args:
        current: Brings a space up to date with SQLite and returns its vectors.
    """

    def __init__(
        self,
        database: Database,
        files: CacheFiles,
        *,
        graph_from: int,
        current: Callable[[Space], View],
    ) -> None:
        self._database = database
        self._files = files
        self._graph_from = graph_from if has_graphs() else sys.maxsize
        self._current = current
        self._working = threading.Lock()
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._pause = threading.Event()
        self._thread: threading.Thread | None = None
        self._threads = max(
            1, (os.cpu_count() or 1) // 2
        )  # the other cores are for the conversation

    def wanted(self, space: Space, view: View) -> bool:
        """Whether the graph of a space is missing or behind."""
        if len(view) < self._graph_from or space.refused:
            return False
        graph = space.graph
        if graph is None or graph.hidden > MAX_HIDDEN * len(graph):
            return True
        return len(view.after(graph.watermark)) > MAX_TAIL

    def begin(self, space: Space) -> None:
        """Refresh a space in the background, unless a refresh is already running."""
        with self._guard:
            if self._stop.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            self._thread = threading.Thread(
                target=self._in_background, args=(space,), name="lmort-index", daemon=True
            )
            self._thread.start()

    def refresh(self, space: Space, *, progress: Progress | None = None) -> None:
        """Load, extend or build the graph of a space, and save it if that is worthwhile."""
        with self._working:
            if space.graph is None:
                self._load(space)
            if len(self._current(space)) < self._graph_from:
                return
            with self._files.writing() as ours:
                if ours or space.graph is not None or not self._files.kept:
                    self._grow(space, progress)
                if ours:
                    self._save(space)

    def scrub(self, space: Space) -> None:
        """Delete the files of a space and save them again without the deleted vectors."""
        self._pause.set()
        with self._working:
            self._pause.clear()
            if not any(self._cache(space, kind) for kind in ("graph", "matrix")):
                return
            if space.graph is None:
                self._load(space)
            for kind in ("graph", "matrix"):
                self._files.drop(space.s, kind)
            space.saved = None
            with self._files.writing() as ours:
                if ours and space.graph is not None:
                    self._save(space)

    def close(self) -> None:
        """Stop the background work after its current slice and wait for it."""
        self._stop.set()
        with self._guard:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _in_background(self, space: Space) -> None:
        try:
            self.refresh(space)
        except (StoreError, OSError, RuntimeError):
            # Disk full or not writable. Searching stays exact; the next process tries again.
            space.refused = True

    def _load(self, space: Space) -> None:
        """Load the saved graph, or remove it if it is damaged."""
        cache = self._cache(space, "graph")
        if cache is None or cache.settings != SETTINGS:
            return
        path = self._files.intact(cache)
        try:
            if self._stop.is_set():
                return
            if path is None:
                raise RuntimeError("its checksum differs")
            graph = Graph.load(path, space.dim, watermark=cache.watermark, threads=self._threads)
        except RuntimeError:
            self._files.drop(space.s, "graph")
            return
        if cache.deleted != space.deleted:
            graph.hide(self._current(space).alive_ids())
        space.graph, space.saved = graph, cache

    def _grow(self, space: Space, progress: Progress | None) -> None:
        view = self._current(space)
        graph = space.graph
        if graph is not None:
            graph.hide(view.alive_ids())
        if graph is None or graph.hidden > MAX_HIDDEN * len(graph):
            graph = Graph(space.dim, capacity=len(view), threads=self._threads)
        rest = view.after(graph.watermark)
        done, total = 0, len(rest)
        for ids, halves in rest.slices(SLICE):
            if self._stop.is_set() or self._pause.is_set():
                break
            graph.add(ids, halves)
            done += len(ids)
            if progress is not None:
                progress(done, total)
        space.graph = graph

    def _save(self, space: Space) -> None:
        """Write graph and matrix without deleted vectors, unless little has changed."""
        graph = space.graph
        if graph is None or space.saved != self._cache(space, "graph"):
            space.graph = None  # another process has saved a newer file: load that next time
            return
        view = self._current(space)
        deleted = space.deleted
        least = max(SAVE_LEAST, SAVE_GROWTH * graph.saved)
        scrubbed = space.saved is None and graph.saved > 0
        if len(graph) - graph.saved < least and not scrubbed:
            return
        graph.hide(view.alive_ids())
        graph.overwrite_hidden()
        cache = Cache(space.s, "graph", "", "", graph.watermark, len(graph), deleted, SETTINGS)
        space.saved = self._files.publish(cache, graph.save)
        known = view.upto(graph.watermark)
        ids = known.alive_ids()
        cache = Cache(space.s, "matrix", "", "", graph.watermark, len(ids), deleted, MATRIX)
        self._files.publish(cache, lambda path: write_matrix(path, known))

    def _cache(self, space: Space, kind: str) -> Cache | None:
        with self._database.read() as connection:
            return self._files.find(connection, space.s, kind)


def write_matrix(path: Path, view: View) -> None:
    """Write the live rows: all ids, then all vectors."""
    with path.open("wb") as file:
        file.write(view.alive_ids().astype(IDS).tobytes())
        for _, halves in view.slices(65_536):
            file.write(halves.astype(HALVES).tobytes())


def load_matrix(files: CacheFiles, cache: Cache | None, dim: int) -> Matrix:
    """Map a file that `write_matrix` wrote; returns an empty matrix if it is missing or damaged."""
    path = None if cache is None or cache.settings != MATRIX else files.intact(cache)
    if cache is None or path is None or cache.items == 0:
        return Matrix(dim)
    n = cache.items
    if path.stat().st_size != n * (IDS.itemsize + dim * HALVES.itemsize):
        return Matrix(dim)
    ids = np.fromfile(path, IDS, count=n).astype(np.int64)
    halves = np.memmap(path, HALVES, mode="r", offset=ids.nbytes, shape=(n, dim))
    return Matrix(dim, (ids, halves))
