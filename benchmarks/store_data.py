"""What the store's benchmarks measure on: clustered vectors, Zipf-distributed words, the truth.

Everything is seeded, written once into the work folder and read by every engine, so that all of
them hold and are asked exactly the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

BATCH = 2_000
QUERIES = 500
PER_CLUSTER = 250
SPREAD = 0.8  # of a point around its centre, where the centres are spread by 1
RARE = 100  # every hundredth record is in the rare scope: the 1 % filter
WORDS = 12  # of a text
VOCABULARY = 50_000
TOP = 10
BLOCK = 20_000  # vectors compared at a time


def write(work: Path, n: int, dim: int) -> None:
    """Write vectors, queries and the exact answers, unless they are there."""
    if (work / "truth.npz").exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    path = work / "vectors.npy"
    vectors = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, dim))
    for start, points in zip(range(0, n, BATCH), _clusters(n, n, dim, seed=1), strict=True):
        vectors[start : start + len(points)] = points
    vectors.flush()
    queries = np.concatenate(list(_clusters(n, QUERIES, dim, seed=3)))
    np.save(work / "queries.npy", queries)
    everything, rare = _truth(vectors, queries)
    np.savez(work / "truth.npz", everything=everything, rare=rare)


def vectors(work: Path) -> Floats:
    """Return the stored vectors, mapped."""
    found: Floats = np.load(work / "vectors.npy", mmap_mode="r")
    return found


def queries(work: Path) -> Floats:
    """Return the queries: new points of the same clusters."""
    found: Floats = np.load(work / "queries.npy")
    return found


def truth(work: Path) -> tuple[Places, Places]:
    """Return the places of the `TOP` nearest for each query: of all, and of the rare scope."""
    with np.load(work / "truth.npz") as found:
        return found["everything"], found["rare"]


def texts(start: int, size: int) -> list[str]:
    """Return texts whose word of rank r is 1/r as frequent as the first; each names its place."""
    return [
        f"{' '.join(words)} place{start + i}"
        for i, words in enumerate(_words(np.random.default_rng([7, start]), size, WORDS))
    ]


def questions(size: int) -> list[str]:
    """Return questions of six words from the texts' own distribution."""
    return [" ".join(words) for words in _words(np.random.default_rng([8, 0]), size, 6)]


def scope(place: int) -> str:
    """Return the scope of a record."""
    return "rare" if place % RARE == 0 else "common"


def _words(rng: np.random.Generator, size: int, count: int) -> Iterator[list[str]]:
    ranks = np.floor(VOCABULARY ** rng.random((size, count))).astype(int)
    return ([f"word{rank}" for rank in row] for row in ranks.tolist())


def _clusters(total: int, n: int, dim: int, seed: int) -> Iterator[Floats]:
    """Yield `n` unit vectors in batches, around one centre for every 250 of `total`."""
    shape = (max(1, total // PER_CLUSTER), dim)
    centres = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    rng = np.random.default_rng(seed)
    for start in range(0, n, BATCH):
        size = min(BATCH, n - start)
        noise = rng.standard_normal((size, dim), np.float32)
        points = centres[rng.integers(0, len(centres), size)] + np.float32(SPREAD) * noise
        yield points / np.linalg.norm(points, axis=1, keepdims=True)


def _truth(vectors: Floats, queries: Floats) -> tuple[Places, Places]:
    """Compare everything with everything, block by block, in float32."""
    found = [_Best(len(queries)), _Best(len(queries))]
    for start in range(0, len(vectors), BLOCK):
        scores = queries @ vectors[start : start + BLOCK].T
        places = np.arange(start, start + scores.shape[1])
        found[0].see(places, scores)
        rare = places % RARE == 0
        found[1].see(places[rare], scores[:, rare])
    return found[0].places, found[1].places


class _Best:
    """The `TOP` best of all blocks seen so far, for each query, in no order."""

    def __init__(self, n_queries: int) -> None:
        self.places = np.zeros((n_queries, 0), np.int64)
        self._scores = np.zeros((n_queries, 0), np.float32)

    def see(self, places: Places, scores: Floats) -> None:
        """Take a block's scores, (queries, places)."""
        scores = np.concatenate([self._scores, scores], axis=1)
        all_places = np.concatenate(
            [self.places, np.broadcast_to(places, (len(scores), len(places)))], axis=1
        )
        count = min(TOP, scores.shape[1])
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        self._scores = np.take_along_axis(scores, best, axis=1)
        self.places = np.take_along_axis(all_places, best, axis=1)
