"""Eight processes that write to one database at once, and one that reads.

    python -m benchmarks.bench_writers --seconds 60 --out benchmarks/results/writers.json

Every add is durable when it returns. Checked at the end: no process had an error, nothing that was
acknowledged is missing, what the reader saw never went backwards, and the database is sound.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench_store import percentiles
from benchmarks.environment import environment, show
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.types import Turn


def write(path: Path, name: str, seconds: float) -> None:
    """In a process of its own: add until the time is up; write down how long each add took."""
    taken: list[float] = []
    with SQLiteStore(path) as store:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            begin = time.perf_counter()
            store.add([Turn(f"{name} wrote {len(taken)}", session=name)])
            taken.append(time.perf_counter() - begin)
    path.with_name(f"{name}.json").write_text(json.dumps(taken))


def run(path: Path, writers: int, seconds: float) -> dict[str, Any]:
    """Start the writers, read meanwhile, and compare."""
    command = [sys.executable, "-m", "benchmarks.bench_writers", "--db", str(path)]
    seen: list[int] = []
    with SQLiteStore(path) as store:
        processes = [
            subprocess.Popen([*command, "--seconds", str(seconds), "--name", f"writer{i}"])
            for i in range(writers)
        ]
        while any(process.poll() is None for process in processes):
            seen.append(len(store.lexical("wrote", Filter(), limit=10**6)))
            time.sleep(0.25)
        told = [path.with_name(f"writer{i}.json") for i in range(writers)]
        taken = [json.loads(file.read_text()) if file.exists() else [] for file in told]
        lost = 0
        for i, times in enumerate(taken):
            texts = {record.text for record in store.records(Filter(session=f"writer{i}"))}
            lost += len({f"writer{i} wrote {j}" for j in range(len(times))} - texts)
        found = {
            "writers": writers,
            "seconds": seconds,
            "errors": sum(process.returncode != 0 for process in processes),
            "adds": sum(map(len, taken)),
            "adds_of_each": [len(times) for times in taken],
            "lost": lost,
            "reads": len(seen),
            "reads_never_went_backwards": seen == sorted(seen),
            "verified": store.verify().ok,
        }
    return found | {"one_add": percentiles(np.concatenate(taken).tolist())}


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--db", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.name:
        write(chosen.db, chosen.name, chosen.seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder) / "memory.db", chosen.writers, chosen.seconds)
    show(environment("benchmarks.bench_writers") | found, chosen.out)


if __name__ == "__main__":
    main()
