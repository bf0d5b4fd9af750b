"""The store at size, against what people would use instead, on the same vectors in one run.

    python -m tests.bench.bench_store --vectors 1000000 --dim 384

Writes raw JSON to tests/bench/results/. Peers that are not installed (chromadb, sqlite-vec) are
left out and named as such. Vectors are synthetic clusters on the sphere; queries are new points of
the same clusters. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.types import Encoded, Turn

Floats = NDArray[np.float32]

BATCH = 2_000
SPACE = "bench"
RESULTS = Path(__file__).with_name("results")
RARE = 100  # every hundredth record is in the rare scope: the 1 % filter


def clusters(n: int, dim: int, seed: int) -> Iterator[Floats]:
    """Yield `n` unit vectors in batches: points around one centre for each 250 vectors."""
    centres = np.random.default_rng(0).standard_normal((max(1, n // 250), dim)).astype(np.float32)
    rng = np.random.default_rng(seed)
    for start in range(0, n, BATCH):
        size = min(BATCH, n - start)
        chosen = centres[rng.integers(0, len(centres), size)]
        points = chosen + 0.8 * rng.standard_normal((size, dim)).astype(np.float32)
        yield points / np.linalg.norm(points, axis=1, keepdims=True)


def turns(start: int, size: int) -> list[Turn]:
    """Return short distinct turns; every hundredth in the rare scope."""
    return [
        Turn(f"turn number {i}", scope="rare" if i % RARE == 0 else "common")
        for i in range(start, start + size)
    ]


def encoded(points: Floats) -> list[Encoded]:
    """Return one chunk for each vector."""
    return [Encoded(point[None], ((0, 4),)) for point in points]


def percentiles(ask: Callable[[Floats], object], queries: Floats) -> dict[str, float]:
    """Return median and 99th percentile of one question, in milliseconds."""
    taken = []
    for query in queries:
        begin = time.perf_counter()
        ask(query)
        taken.append(1e3 * (time.perf_counter() - begin))
    return {
        "p50_ms": float(np.percentile(taken, 50)),
        "p99_ms": float(np.percentile(taken, 99)),
    }


def fill(path: Path, n: int, dim: int) -> dict[str, float]:
    """Add everything in batches, then build the index; return the times."""
    begin = time.perf_counter()
    with SQLiteStore(path) as store:
        for number, points in enumerate(clusters(n, dim, seed=1)):
            store.add(turns(number * BATCH, len(points)), space=SPACE, encoded=encoded(points))
        added = time.perf_counter() - begin
        begin = time.perf_counter()
        store.build_index()
        built = time.perf_counter() - begin
    return {"add_s": added, "adds_per_s": n / added, "build_index_s": built}


def first_answer(path: Path, query: Floats) -> dict[str, float]:
    """Open in a new process and time up to the first answer, imports left out and included."""
    script = (
        "import sys, time; begin = time.perf_counter()\n"
        "import numpy as np\n"
        "from lmort_memory.store import Filter, SQLiteStore\n"
        "query = np.load(sys.argv[2]); ready = time.perf_counter()\n"
        "store = SQLiteStore(sys.argv[1])\n"
        f"store.dense({SPACE!r}, query, Filter(scope='common'), limit=10)\n"
        "end = time.perf_counter(); print(end - ready, end - begin); store.close()"
    )
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, query)
        command = [sys.executable, "-c", script, str(path), file.name]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    opened, whole = map(float, output.split())
    return {"open_to_answer_s": opened, "with_imports_s": whole}


def search(path: Path, queries: Floats) -> dict[str, Any]:
    """Time recall with and without a filter, and compare the graph with the exact ranking."""
    with SQLiteStore(path) as store:
        store.build_index()  # loads the graph that `fill` saved

        def ask(chosen: Filter) -> Callable[[Floats], list[str]]:
            return lambda q: [m.id for m in store.dense(SPACE, q, chosen, limit=10)]

        ask(Filter())(queries[0])
        found = {
            "unfiltered": percentiles(ask(Filter()), queries),
            "common_scope": percentiles(ask(Filter(scope="common")), queries),
            "rare_scope_1_percent": percentiles(ask(Filter(scope="rare")), queries),
            "lexical": percentiles(
                lambda q: store.lexical(f"number {abs(int(1e6 * q[0]))}", Filter(), limit=10),
                queries,
            ),
        }
        graph = [set(ask(Filter())(query)) for query in queries]
        memory_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with SQLiteStore(path, graph_from=1 << 62) as exact:
        truth = [{m.id for m in exact.dense(SPACE, q, Filter(), limit=10)} for q in queries]
        found["exact_scan"] = percentiles(
            lambda q: exact.dense(SPACE, q, Filter(), limit=10), queries[:50]
        )
    shares = [len(a & b) / 10 for a, b in zip(graph, truth, strict=True)]
    return found | {"index_recall_at_10": float(np.mean(shares)), "memory_mib": memory_kib / 1024}


def single_adds(folder: Path, dim: int, n: int = 500) -> dict[str, float]:
    """Time adds of one record each, every one of them durable when it returns."""
    points = next(clusters(BATCH, dim, seed=2))[:n]
    with SQLiteStore(folder / "single.db") as store:
        begin = time.perf_counter()
        for turn, one in zip(turns(0, n), encoded(points), strict=True):
            store.add([turn], space=SPACE, encoded=[one])
        return {"single_adds_per_s": n / (time.perf_counter() - begin)}


def size_mib(path: Path) -> float:
    """Return what a database and its caches take on disk."""
    files = [path, *path.parent.glob(f"{path.name}.index/*")]
    return sum(file.stat().st_size for file in files) / 2**20


def numpy_scan(n: int, dim: int, queries: Floats) -> dict[str, Any]:
    """Time a product with all vectors in float32 in memory."""
    matrix = np.concatenate(list(clusters(n, dim, seed=1)))

    def ask(query: Floats) -> Floats:
        scores = matrix @ query
        best = np.argpartition(scores, -10)[-10:]
        return best[np.argsort(-scores[best])]

    return percentiles(ask, queries[:50])


def sqlite_vec(folder: Path, n: int, dim: int, queries: Floats) -> dict[str, Any]:
    """Time sqlite-vec's exact search over the same vectors."""
    vec = import_module("sqlite_vec")
    connection = sqlite3.connect(folder / "vec.db")
    connection.enable_load_extension(True)
    vec.load(connection)
    connection.execute(f"CREATE VIRTUAL TABLE v USING vec0(e float[{dim}] distance_metric=cosine)")
    begin = time.perf_counter()
    for number, points in enumerate(clusters(n, dim, seed=1)):
        rows = ((number * BATCH + i, p.tobytes()) for i, p in enumerate(points))
        with connection:
            connection.executemany("INSERT INTO v (rowid, e) VALUES (?, ?)", rows)
    added = time.perf_counter() - begin
    sql = "SELECT rowid FROM v WHERE e MATCH ? ORDER BY distance LIMIT 10"
    times = percentiles(lambda q: connection.execute(sql, (q.tobytes(),)).fetchall(), queries[:50])
    connection.close()
    return times | {"adds_per_s": n / added, "version": vec.__version__}


def chroma(folder: Path, n: int, dim: int, queries: Floats) -> dict[str, Any]:
    """Time chromadb over the same vectors, with and without the 1 % filter."""
    chromadb = import_module("chromadb")
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(folder / "chroma"), settings=settings)
    collection = client.create_collection("bench", metadata={"hnsw:space": "cosine"})
    begin = time.perf_counter()
    for number, points in enumerate(clusters(n, dim, seed=1)):
        ids = range(number * BATCH, number * BATCH + len(points))
        collection.add(
            ids=list(map(str, ids)),
            embeddings=points,
            documents=[f"turn number {i}" for i in ids],
            metadatas=[{"scope": "rare" if i % RARE == 0 else "common"} for i in ids],
        )
    added = time.perf_counter() - begin

    def ask(**chosen: Any) -> Callable[[Floats], object]:
        return lambda q: collection.query(query_embeddings=[q], n_results=10, **chosen)

    ask()(queries[0])
    begin = time.perf_counter()
    for i in range(100):
        collection.add(ids=[f"single {i}"], embeddings=queries[i % len(queries)][None])
    return {
        "unfiltered": percentiles(ask(), queries),
        "rare_scope_1_percent": percentiles(ask(where={"scope": "rare"}), queries),
        "adds_per_s": n / added,
        "single_adds_per_s": 100 / (time.perf_counter() - begin),
        "version": chromadb.__version__,
    }


def run(n: int, dim: int, n_queries: int, folder: Path) -> dict[str, Any]:
    """Run everything on one set of vectors."""
    queries = np.concatenate(list(clusters(n, dim, seed=3)))[:n_queries]
    path = folder / "memory.db"
    ours: dict[str, Any] = fill(path, n, dim)
    ours |= first_answer(path, queries[0])
    ours |= search(path, queries)
    ours |= single_adds(folder, dim)
    ours["disk_mib"] = size_mib(path)
    found: dict[str, Any] = {"lmort_memory": ours, "numpy_float32": numpy_scan(n, dim, queries)}
    for name, peer in (("sqlite_vec", sqlite_vec), ("chromadb", chroma)):
        try:
            found[name] = peer(folder, n, dim, queries)
        except ImportError:
            found[name] = "not installed"
    return found


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=chosen.folder))
    try:
        found = run(chosen.vectors, chosen.dim, chosen.queries, folder)
    finally:
        shutil.rmtree(folder)
    found["machine"] = {
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    found["settings"] = {"vectors": chosen.vectors, "dim": chosen.dim, "queries": chosen.queries}
    RESULTS.mkdir(exist_ok=True)
    name = RESULTS / f"store-{chosen.vectors}x{chosen.dim}.json"
    name.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
