"""What neighbours on the cores cost, and what each library of llama.cpp gives.

    python -m benchmarks.bench_busy --out benchmarks/results/busy.json
    python -m benchmarks.bench_busy --spins 300000 1000 3000 --neighbours 0 1 2 --rounds 5
    python -m benchmarks.bench_busy --library built=/opt/llama/lib --neighbours 0

Each row is a process of its own, which imports notes, recalls, reads and generates, with so many
busy Python processes beside it. `--spins` are the values of GOMP_SPINCOUNT that are compared:
300000 is what libgomp does by itself, "own" what this project chooses. The rows alternate: a round
takes every combination once. What exceeds its time is stopped, and counted up to there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from benchmarks.environment import environment, show
from benchmarks.texts import mixed_texts

NOTES, RECALLS, READ, SPOKEN = 64, 40, 256, 32
BUSY = "while True: sum(range(10_000))"


def measure(seconds: float) -> dict[str, float | str]:
    """Measure in this process; each part for at most so long."""
    from lmort_memory import Memory
    from lmort_memory.backbone.runtime import chosen
    from lmort_memory.encoder import open_encoder
    from lmort_memory.store import SQLiteStore

    texts = mixed_texts(NOTES + RECALLS)
    opened = open_encoder()
    backbone = opened.backbone
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory(opened.encoder, SQLiteStore(Path(folder) / "busy.db")) as memory,
    ):
        memory.add("The first note takes the time of the first pass.")
        waits = timed(lambda i: memory.add(texts[i]), NOTES, seconds)
        asked = timed(lambda i: memory.recall(texts[NOTES + i][:80]), RECALLS, seconds)
        sequence = backbone.open_sequence(n_ctx=READ + SPOKEN + 8)
        tokens = list(backbone.prompts.tokenize(" ".join(texts)))[: READ + SPOKEN]

        def read(_round: int) -> None:
            sequence.sync([])
            sequence.extend(tokens[:READ], logits=False)

        reads = timed(read, 6, seconds)
        reads = reads[1:] or reads
        spoken = timed(lambda i: sequence.extend([tokens[READ + i]], logits=True), SPOKEN, seconds)
        choice = chosen()
        return {
            "library": str(choice.attempt) if choice else "",
            "notes_per_s": len(waits) / sum(waits),
            "recall_p50_ms": 1e3 * statistics.median(asked),
            "recall_p99_ms": 1e3 * sorted(asked)[int(0.99 * (len(asked) - 1))],
            "read_tokens_per_s": READ / statistics.median(reads),
            "generated_tokens_per_s": len(spoken) / sum(spoken),
        }


def timed(call: Callable[[int], object], times: int, seconds: float) -> list[float]:
    """Return the seconds of each call, until they are enough or too long."""
    taken: list[float] = []
    while len(taken) < times and sum(taken) < seconds:
        began = time.perf_counter()
        call(len(taken))
        taken.append(time.perf_counter() - began)
    return taken


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Keep so many processes busy."""
    started = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        time.sleep(0.5 if count else 0)
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def once(spins: str, library: str, seconds: float) -> dict[str, float]:
    """Measure in a process of its own."""
    taken_away = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "LMORT_LLAMA_LIB")
    env = {name: value for name, value in os.environ.items() if name not in taken_away}
    env |= {} if spins == "own" else {"GOMP_SPINCOUNT": spins}
    env |= {"LMORT_LLAMA_LIB": library} if library else {}
    command = [sys.executable, "-m", "benchmarks.bench_busy", "--child", "--seconds", str(seconds)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure; print, or write, the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--neighbours", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--spins", nargs="+", default=["300000", "own"])
    parser.add_argument("--library", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each part, at most")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(measure(chosen.seconds)))
        return
    libraries = dict(one.partition("=")[::2] for one in chosen.library) or {"installed": ""}
    report = environment("benchmarks.bench_busy")
    rows: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    once("own", "", 1.0)  # the copy of the model, and what is known of the libraries
    for _ in range(chosen.rounds):
        for key in product(libraries, chosen.spins, chosen.neighbours):
            with neighbours(key[2]):
                rows.setdefault(key, []).append(once(key[1], libraries[key[0]], chosen.seconds))
            print(*key, {k: v for k, v in rows[key][-1].items()}, file=sys.stderr)
    report["rows"] = [
        {
            "library": name,
            "spins": spins,
            "neighbours": busy,
            "rounds": found,
            "median": median(found),
        }
        for (name, spins, busy), found in rows.items()
    ]
    show(report, chosen.out)


def median(found: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure over the rounds."""
    names = [name for name, value in found[0].items() if isinstance(value, float)]
    return {name: round(statistics.median(one[name] for one in found), 2) for name in names}


if __name__ == "__main__":
    main()
