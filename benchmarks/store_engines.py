"""The store and what people would use instead, behind one small interface for the benchmark.

An engine has a folder of its own. `build` fills it from `store_data`; `ask` answers with the
places of the nearest vectors. Peers are used as their documentation shows, with their defaults.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks import store_data as data
from benchmarks.store_data import BATCH, TOP, Floats
from lmort_memory import Memory
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.testing import HashEncoder
from lmort_memory.types import Encoded, Turn

SPACE = "bench"


class Engine(Protocol):
    """One way to keep vectors and to find the nearest."""

    version: str

    def build(self, work: Path) -> dict[str, float]:
        """Store everything; return seconds by step."""

    def open(self) -> None:
        """Open what was built."""

    def ask(self, query: Floats, *, rare: bool) -> Sequence[int]:
        """Return the places of the nearest, best first, of all or of the rare scope."""

    def add(self, place: int, points: Floats) -> None:
        """Store more, durably, in one call."""

    def close(self) -> None:
        """Let go of the files."""


class Ours:
    """SQLiteStore: vectors, texts, words and scopes."""

    version = import_module("importlib.metadata").version("lmort-memory")

    def __init__(self, folder: Path) -> None:
        self.path = folder / "memory.db"

    def build(self, work: Path) -> dict[str, float]:
        vectors = data.vectors(work)
        begin = time.perf_counter()
        with SQLiteStore(self.path, graph_from=1 << 62) as self.store:
            for start in range(0, len(vectors), BATCH):
                self.add(start, vectors[start : start + BATCH])
        added = time.perf_counter()
        with SQLiteStore(self.path) as store:
            store.build_index()
        return {"add_s": added - begin, "index_s": time.perf_counter() - added}

    def open(self) -> None:
        self.store = SQLiteStore(self.path)

    def ask(self, query: Floats, *, rare: bool) -> list[int]:
        chosen = Filter(scope="rare" if rare else None)
        return self.places([m.id for m in self.store.dense(SPACE, query, chosen, limit=TOP)])

    def places(self, ids: Sequence[str]) -> list[int]:
        """Return the places that the records name at the end of their texts."""
        found = self.store.get(ids)
        return [int(found[id_].text.rsplit("place", 1)[1]) for id_ in ids]

    def add(self, place: int, points: Floats) -> None:
        texts = data.texts(place, len(points))
        turns = [Turn(text, scope=data.scope(place + i)) for i, text in enumerate(texts)]
        encoded = [Encoded(point[None], ((0, 4),)) for point in points]
        self.store.add(turns, space=SPACE, encoded=encoded)

    def close(self) -> None:
        self.store.close()


class BenchEncoder(HashEncoder):
    """An encoder whose space is the benchmark's; queries come with their vectors."""

    @property
    def space(self) -> str:
        return SPACE


class OurRecall(Ours):
    """`Memory.recall` on the same database: words and vectors, fused, whole records."""

    def open(self) -> None:
        super().open()
        self.memory = Memory(BenchEncoder(384), self.store)
        self.questions = iter(data.questions(10 * data.QUERIES))

    def ask(self, query: Floats, *, rare: bool) -> list[int]:
        hits = self.memory.recall(
            next(self.questions), vector=query, top_k=TOP, scope="rare" if rare else "common"
        )
        return [int(hit.record.text.rsplit("place", 1)[1]) for hit in hits]


class Chroma:
    """chromadb's PersistentClient with its defaults, cosine distance."""

    def __init__(self, folder: Path) -> None:
        self.chromadb = import_module("chromadb")
        self.version = self.chromadb.__version__
        self.folder = folder
        self.collection: Any = None

    def build(self, work: Path) -> dict[str, float]:
        self.open()
        vectors = data.vectors(work)
        begin = time.perf_counter()
        for start in range(0, len(vectors), BATCH):
            self.add(start, vectors[start : start + BATCH])
        return {"add_s": time.perf_counter() - begin}

    def open(self) -> None:
        settings = self.chromadb.config.Settings(anonymized_telemetry=False)
        self.client = self.chromadb.PersistentClient(str(self.folder), settings=settings)
        self.collection = self.client.get_or_create_collection(
            SPACE, metadata={"hnsw:space": "cosine"}, embedding_function=None
        )

    def ask(self, query: Floats, *, rare: bool) -> list[int]:
        chosen = {"where": {"scope": "rare"}} if rare else {}
        found = self.collection.query(query_embeddings=[query], n_results=TOP, **chosen)
        return [int(id_) for id_ in found["ids"][0]]

    def add(self, place: int, points: Floats) -> None:
        numbers = range(place, place + len(points))
        self.collection.add(
            ids=[str(number) for number in numbers],
            embeddings=np.asarray(points),
            documents=data.texts(place, len(points)),
            metadatas=[{"scope": data.scope(number)} for number in numbers],
        )

    def close(self) -> None:
        pass


class SqliteVec:
    """sqlite-vec's vec0 table: an exact scan in C, the scope as a metadata column.

    Many a Python's own sqlite3 was built without loadable extensions; pysqlite3 has them.
    """

    def __init__(self, folder: Path) -> None:
        self.vec = import_module("sqlite_vec")
        self.sqlite3 = import_module("pysqlite3")
        self.version = self.vec.__version__.lstrip("v")
        self.path = folder / "vec.db"

    def build(self, work: Path) -> dict[str, float]:
        vectors = data.vectors(work)
        self.open()
        self.connection.execute(
            f"CREATE VIRTUAL TABLE v USING vec0(scope TEXT, e float[{vectors.shape[1]}]"
            " distance_metric=cosine)"
        )
        begin = time.perf_counter()
        for start in range(0, len(vectors), BATCH):
            self.add(start, vectors[start : start + BATCH])
        return {"add_s": time.perf_counter() - begin}

    def open(self) -> None:
        self.connection: Any = self.sqlite3.connect(self.path)
        self.connection.enable_load_extension(True)
        self.vec.load(self.connection)

    def ask(self, query: Floats, *, rare: bool) -> list[int]:
        only = " AND scope = 'rare'" if rare else ""
        sql = f"SELECT rowid FROM v WHERE e MATCH ? AND k = {TOP}{only}"
        return [place for (place,) in self.connection.execute(sql, (query.tobytes(),))]

    def add(self, place: int, points: Floats) -> None:
        rows = ((place + i, data.scope(place + i), p.tobytes()) for i, p in enumerate(points))
        with self.connection:
            self.connection.executemany("INSERT INTO v (rowid, scope, e) VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        self.connection.close()


class Lance:
    """A LanceDB table as it comes: without an index, so an exact scan in Rust."""

    indexed = False

    def __init__(self, folder: Path) -> None:
        self.lancedb = import_module("lancedb")
        self.version = self.lancedb.__version__
        self.folder = folder

    def build(self, work: Path) -> dict[str, float]:
        vectors = data.vectors(work)
        begin = time.perf_counter()
        for start in range(0, len(vectors), BATCH):
            self.add(start, vectors[start : start + BATCH])
        added = time.perf_counter()
        if self.indexed:
            self.table.create_index(metric="cosine", vector_column_name="e")
        return {"add_s": added - begin, "index_s": time.perf_counter() - added}

    def open(self) -> None:
        database = self.lancedb.connect(self.folder)
        self.table: Any = database.open_table("v") if "v" in database.table_names() else None

    def ask(self, query: Floats, *, rare: bool) -> list[int]:
        search = self.table.search(query, vector_column_name="e").distance_type("cosine")
        search = search.where("scope = 'rare'", prefilter=True) if rare else search
        return [row["place"] for row in search.select(["place"]).limit(TOP).to_list()]

    def add(self, place: int, points: Floats) -> None:
        pa = import_module("pyarrow")
        numbers = range(place, place + len(points))
        flat = pa.array(np.asarray(points).reshape(-1))
        rows = pa.table(
            {
                "place": list(numbers),
                "scope": [data.scope(number) for number in numbers],
                "text": data.texts(place, len(points)),
                "e": pa.FixedSizeListArray.from_arrays(flat, points.shape[1]),
            }
        )
        if place == 0:
            self.table = self.lancedb.connect(self.folder).create_table("v", rows)
        else:
            self.table.add(rows)

    def close(self) -> None:
        pass


class LanceIndexed(Lance):
    """The same with its default index, IVF-PQ."""

    indexed = True


class NumpyScan:
    """A product with all vectors in float32 in memory, and nothing else."""

    version = np.__version__

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def build(self, work: Path) -> dict[str, float]:
        begin = time.perf_counter()
        np.save(self.folder / "vectors.npy", data.vectors(work))
        return {"add_s": time.perf_counter() - begin}

    def open(self) -> None:
        self.matrix = np.load(self.folder / "vectors.npy")

    def ask(self, query: Floats, *, rare: bool) -> list[int]:
        step = data.RARE if rare else 1
        scores = self.matrix[::step] @ query
        best = np.argpartition(scores, -TOP)[-TOP:]
        return [int(place) * step for place in best[np.argsort(-scores[best])]]

    def add(self, place: int, points: Floats) -> None:
        raise NotImplementedError("an array has no durable add")

    def close(self) -> None:
        pass


ENGINES: dict[str, type[Any]] = {
    "lmort-memory": Ours,
    "chromadb": Chroma,
    "sqlite-vec": SqliteVec,
    "lancedb": Lance,
    "lancedb-indexed": LanceIndexed,
    "numpy": NumpyScan,
}
"""By name; each has a folder of that name."""
