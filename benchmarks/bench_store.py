"""The store at size, against what people would use instead, on the same vectors in one run.

    python -m benchmarks.bench_store build --work DIR --vectors 1000000
    python -m benchmarks.bench_store query --work DIR --out benchmarks/results/store-1000000.json
    python -m benchmarks.bench_store adds  --work DIR --out benchmarks/results/adds.json

`build` may take an hour and need not be alone on the machine; its seconds are processor seconds as
well as wall-clock. `query` and `adds` want an idle machine. They take the engines in turn,
`--rounds` times, for `--budget` seconds each; every engine answers in a process of its own, first
with nothing of its files in the page cache, then with all. Peers that are not installed
(`pip install --group bench`) are left out, and said.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import store_data as data
from benchmarks.environment import environment, show
from benchmarks.store_engines import ENGINES, OurRecall, Ours

NO_ADDS = ("numpy", "lancedb-indexed")  # no durable add; the same add as without an index
VARIANTS = ENGINES | {"lmort-memory recall": OurRecall}
"""What is asked: the engines, and the whole of `Memory.recall` on the first one's files."""

Ask = Callable[[Any], Sequence[int]]


def folder_of(work: Path, name: str) -> Path:
    """Return the folder of an engine or variant."""
    return work / name.split()[0]


def build(work: Path, names: Sequence[str], n: int, dim: int) -> None:
    """Write the data and fill every engine that is not filled yet; keep the seconds beside it."""
    data.write(work, n, dim)
    for name in names:
        told = work / f"{name}.build.json"
        if told.exists():
            continue
        folder_of(work, name).mkdir(exist_ok=True)
        try:
            engine = ENGINES[name](folder_of(work, name))
        except ImportError as error:
            print(f"{name} is left out: {error}", flush=True)
            continue
        before = time.process_time()
        found: dict[str, Any] = engine.build(work)
        found["processor_s"] = time.process_time() - before
        found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        told.write_text(json.dumps(found | {"version": engine.version}) + "\n")
        print(name, found, flush=True)


def first_answer(work: Path, name: str) -> dict[str, float]:
    """In a fresh process: open and answer once, imports left out."""
    return first_answer_of(VARIANTS[name](folder_of(work, name)), data.queries(work)[0])


def questions(work: Path, name: str, budget_s: float) -> dict[str, Any]:
    """In a fresh process: everything about answering."""
    engine = VARIANTS[name](folder_of(work, name))
    found: dict[str, Any] = first_answer_of(engine, data.queries(work)[0])
    if isinstance(engine, Ours):
        begin = time.perf_counter()
        engine.store.build_index()  # waits for the graph, which loads beside the first answers
        found["graph_loaded_s"] = time.perf_counter() - begin
    for rare, key in ((False, "all"), (True, "one_percent")):
        found[key] = asked(engine, work, rare=rare, budget_s=budget_s / 2)
    if isinstance(engine, Ours) and not isinstance(engine, OurRecall):
        found["lexical"] = lexical(engine, budget_s / 4)
    return found | memory() | {"disk_mib": size_mib(engine), "version": engine.version}


def first_answer_of(engine: Any, query: Any) -> dict[str, float]:
    """Open and answer once."""
    begin = time.perf_counter()
    engine.open()
    engine.ask(query, rare=False)
    return {"open_to_answer_s": time.perf_counter() - begin}


def asked(engine: Any, work: Path, *, rare: bool, budget_s: float) -> dict[str, Any]:
    """Time questions one after the other, and compare the answers with the truth."""
    truth = data.truth(work)[rare]
    taken: list[float] = []
    shares: list[float] = []
    end = time.perf_counter() + budget_s
    for query, expected in zip(data.queries(work), truth, strict=True):
        begin = time.perf_counter()
        places = engine.ask(query, rare=rare)
        taken.append(time.perf_counter() - begin)
        shares.append(len(set(places) & set(expected.tolist())) / data.TOP)
        if time.perf_counter() > end:
            break
    if isinstance(engine, OurRecall):  # which fuses, and need not find the nearest
        return percentiles(taken)
    return percentiles(taken) | {"index_recall_at_10": float(np.mean(shares))}


def lexical(engine: Ours, budget_s: float) -> dict[str, float]:
    """Time questions of six words."""
    from lmort_memory.store import Filter

    taken = []
    end = time.perf_counter() + budget_s
    for question in data.questions(data.QUERIES):
        begin = time.perf_counter()
        engine.store.lexical(question, Filter(scope="common"), limit=100)
        taken.append(time.perf_counter() - begin)
        if time.perf_counter() > end:
            break
    return percentiles(taken)


def percentiles(taken: Sequence[float]) -> dict[str, float]:
    """Return median and 99th percentile in milliseconds."""
    return {
        "p50_ms": 1e3 * float(np.percentile(taken, 50)),
        "p99_ms": 1e3 * float(np.percentile(taken, 99)),
        "questions": len(taken),
    }


def memory() -> dict[str, float]:
    """Return what this process holds of its own, and what it maps of files, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = {line.split()[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    return {
        "memory_mib": int(kib["RssAnon:"]) / 1024,
        "mapped_mib": int(kib["RssFile:"]) / 1024,
    }


def size_mib(engine: Any) -> float:
    """Return what an engine's files take on disk."""
    folder = engine.path.parent if hasattr(engine, "path") else engine.folder
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20


def adds(name: str, work: Path, budget_s: float) -> dict[str, float]:
    """Into a new database: batches, then single adds, each durable when it returns."""
    vectors = np.asarray(data.vectors(work)[: 20 * data.BATCH])
    single = len(vectors) - data.BATCH
    with tempfile.TemporaryDirectory(dir=work) as folder:
        engine = ENGINES[name](Path(folder))
        empty = Path(folder) / "none"
        empty.mkdir()
        np.save(empty / "vectors.npy", vectors[:0])
        engine.build(empty)
        engine.open()
        found = {
            "batch_per_s": paced(engine, vectors[:single], 0, data.BATCH, budget_s / 2),
            "single_per_s": paced(engine, vectors, single, 1, budget_s / 2),
        }
        engine.close()
    return found | {"batch": data.BATCH}


def paced(engine: Any, vectors: Any, place: int, size: int, budget_s: float) -> float:
    """Add `size` at a time until the time or the vectors are used up; return adds per second."""
    start, begin = place, time.perf_counter()
    while time.perf_counter() - begin < budget_s and place + size <= len(vectors):
        engine.add(place, vectors[place : place + size])
        place += size
    return (place - start) / (time.perf_counter() - begin)


def forget_pages(folder: Path) -> None:
    """Ask the kernel to drop what it has cached of a folder's files."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_pages(folder: Path) -> None:
    """Have the kernel cache a folder's files, as far as it has room."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb", buffering=0) as opened:
                while opened.read(1 << 24):
                    pass


def in_a_process(what: str, work: Path, name: str, budget_s: float) -> Any:
    """Run one step for one engine in a fresh process; None if the engine is not installed."""
    command = [sys.executable, "-m", "benchmarks.bench_store", what, "--work", str(work)]
    done = subprocess.run(
        [*command, "--engine", name, "--budget", str(budget_s)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"failed": done.stderr.splitlines()[-1:]}
    return json.loads(done.stdout)


def in_turn(
    work: Path, what: str, names: Sequence[str], rounds: int, budget_s: float
) -> dict[str, Any]:
    """Take one step of every engine that was built, in turn; return what each round found."""
    found: dict[str, Any] = {name: {"rounds": []} for name in names}
    for _ in range(rounds):
        for name, engine in found.items():
            told = work / f"{name.split()[0]}.build.json"
            if told.exists():
                engine["build"] = json.loads(told.read_text())
                engine["rounds"].append(STEPS[what](work, name, budget_s))
    return {name: engine for name, engine in found.items() if engine["rounds"]}


def query(work: Path, name: str, budget_s: float) -> dict[str, Any]:
    """Ask an engine, cold and warm."""
    forget_pages(folder_of(work, name))
    cold = in_a_process("first", work, name, budget_s)
    read_pages(folder_of(work, name))
    return {"cold": cold} | in_a_process("questions", work, name, budget_s)


def adding(work: Path, name: str, budget_s: float) -> dict[str, Any]:
    """Add to a new database."""
    found: dict[str, Any] = in_a_process("add", work, name, budget_s)
    return found


STEPS = {"query": query, "adds": adding}


def parsed() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["build", "query", "adds", "first", "questions", "add"])
    parser.add_argument("--work", type=Path, required=True, help="vectors and databases live here")
    parser.add_argument("--vectors", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--engine", action="append", choices=VARIANTS, help="only these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=12, help="seconds, engine and round")
    parser.add_argument("--out", type=Path, help="where the JSON goes; else it is printed")
    return parser.parse_args()


def main() -> None:
    """Parse, run, write."""
    chosen = parsed()
    if chosen.what == "build":
        build(chosen.work, chosen.engine or list(ENGINES), chosen.vectors, chosen.dim)
        return
    if chosen.what in ("first", "questions", "add"):  # a child of `query` or `adds`
        steps = {
            "first": lambda name: first_answer(chosen.work, name),
            "questions": lambda name: questions(chosen.work, name, chosen.budget),
            "add": lambda name: adds(name, chosen.work, chosen.budget),
        }
        print(json.dumps(steps[chosen.what](chosen.engine[0])))
        return
    report = environment("benchmarks.bench_store")
    report["vectors"], report["dim"] = data.vectors(chosen.work).shape
    every = [name for name in ENGINES if name not in NO_ADDS]
    names = chosen.engine or (list(VARIANTS) if chosen.what == "query" else every)
    report["engines"] = in_turn(chosen.work, chosen.what, names, chosen.rounds, chosen.budget)
    show(report, chosen.out)


if __name__ == "__main__":
    main()
