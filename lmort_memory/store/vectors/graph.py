"""The only place that knows hnswlib: an approximate index over the vectors of one space.

hnswlib only hides deleted vectors and still visits them, needs its capacity in advance, and cannot
search while adding. This module handles all of that.
"""

from __future__ import annotations

import errno
import os
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmort_memory.store.vectors.matrix import Floats, Halves, Ids

__all__ = ["SETTINGS", "Graph", "has_graphs"]

M = 16  # links per node; twice as many on the bottom layer
EF_CONSTRUCTION = 200
EF_FACTOR = 2.0
EF_LEAST = 128
SETTINGS = f"hnswlib M={M} ef_construction={EF_CONSTRUCTION}"
GROWTH = 1.25
SEED = 100


def has_graphs() -> bool:
    """Whether hnswlib is installed. It has to be compiled; without it every search is exact.

    A space of up to 20,000 vectors has no graph anyway.
    """
    return find_spec("hnswlib") is not None


class Graph:
    """A graph over unit vectors, labelled by their numbers. Thread-safe.

    Attributes:
        watermark: The last vector that was considered.
        saved: Number of vectors in its file; 0 without a file.
    """

    def __init__(self, dim: int, *, capacity: int, threads: int) -> None:
        import hnswlib

        self.dim = dim
        self.watermark = 0
        self.saved = 0
        self._threads = threads
        self._lock = threading.Lock()
        self._hidden: set[int] = set()
        self._exposed: set[int] = set()  # hidden, but not yet overwritten
        self._index: Any = hnswlib.Index(space="ip", dim=dim)
        self._index.init_index(
            max(capacity, 1), M=M, ef_construction=EF_CONSTRUCTION, random_seed=SEED
        )

    @classmethod
    def load(cls, path: Path, dim: int, *, watermark: int, threads: int) -> Graph:
        """Read a file that `save` wrote. A damaged file can crash the process: verify it first.

        Raises:
            RuntimeError: hnswlib cannot read it.
        """
        graph = cls(dim, capacity=1, threads=threads)
        import hnswlib

        graph._index = hnswlib.Index(space="ip", dim=dim)
        graph._index.load_index(str(path))
        graph.watermark = watermark
        graph.saved = len(graph)
        return graph

    def __len__(self) -> int:
        return int(self._index.element_count)

    @property
    def hidden(self) -> int:
        """How many of the vectors are deleted."""
        return len(self._hidden)

    def save(self, path: Path) -> None:
        """Write the graph to a file.

        Raises:
            OSError: the file is too short; hnswlib itself does not notice a full disk.
        """
        with self._lock:
            self._index.save_index(str(path))
            expected = int(self._index.index_file_size())
            self.saved = len(self)
        if path.stat().st_size != expected:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def add(self, ids: Ids, halves: Halves) -> None:
        """Add vectors with ascending numbers, all greater than the watermark."""
        if not len(ids):
            return
        with self._lock:
            needed = len(self) + len(ids)
            if needed > self._index.max_elements:
                self._index.resize_index(int(needed * GROWTH))
            self._index.add_items(widen(halves), ids, num_threads=self._threads)
            self.watermark = int(ids[-1])

    def hide(self, alive: Ids) -> None:
        """Exclude everything that is not in `alive` from searches."""
        with self._lock:
            labels = np.asarray(self._index.get_ids_list(), np.int64)
            for label in labels[~np.isin(labels, alive, assume_unique=True)].tolist():
                if label not in self._hidden:
                    self._hidden.add(label)
                    try:
                        self._index.mark_deleted(label)
                    except RuntimeError:  # already hidden in the file, and overwritten with zeros
                        continue
                    self._exposed.add(label)

    def overwrite_hidden(self) -> None:
        """Overwrite deleted vectors with zeros, so that no file contains them again."""
        with self._lock:
            labels = np.fromiter(self._exposed, np.int64)
            if len(labels):
                zeros = np.zeros((len(labels), self.dim), np.float32)
                self._index.add_items(zeros, labels, num_threads=1)  # this makes them visible again
                for label in labels.tolist():
                    self._index.mark_deleted(label)
            self._exposed.clear()

    def nearest(self, vector: Floats, count: int, *, wait_s: float) -> tuple[Ids, Floats] | None:
        """Return about the `count` nearest vectors, best first, with cosines.

        None if vectors are being added and the lock was not free within `wait_s` seconds, or if the
        search found fewer than `count`.
        """
        if not self._lock.acquire(timeout=wait_s):
            return None
        try:
            k = min(count, len(self) - len(self._hidden))
            if k <= 0:
                return np.empty(0, np.int64), np.empty(0, np.float32)
            self._index.set_ef(max(EF_LEAST, int(EF_FACTOR * k)))
            labels, distances = self._index.knn_query(vector, k=k, num_threads=1)
        except RuntimeError:
            return None
        finally:
            self._lock.release()
        return labels[0].astype(np.int64), (1.0 - distances[0]).astype(np.float32)


def widen(halves: Halves) -> NDArray[np.float32]:
    """Convert float16 bits to float32 numbers."""
    return halves.view(np.float16).astype(np.float32)
