"""What encryption at rest costs: open, add, recall, import, beside the same memory in plain.

    python -m benchmarks.bench_encrypt --records 20000 --out benchmarks/results/encrypt.json

Both kinds are measured in turn, `--rounds` times, and the medians are given. The import is of the
packaged model. The rest has vectors of 384 numbers that cost nothing to make, so that only the
database is measured. Aims: an import takes at most 10 % longer, a recall at most 5 ms.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.environment import environment, show
from benchmarks.texts import mixed_texts
from lmort_memory import Memory
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder

PASSPHRASE = "correct horse battery staple"
TIMES = 60  # adds, and recalls, of which the median is taken
QUERIES = ("bees on the roof", "the pump failed in March", "train from platform nine", "two eggs")
FIGURES = (
    "store_many_s",
    "open_ms",
    "first_recall_ms",
    "recall_ms",
    "words_ms",
    "add_ms",
    "import_s",
)


def milliseconds(step: Callable[[], object]) -> float:
    """Return what one step takes."""
    begin = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - begin)


def measure(folder: Path, key: str | None, *, records: int, imported: int) -> dict[str, float]:
    """Measure one kind of memory once."""
    path = folder / "memory.db"
    texts = [f"{text} ({i})" for i, text in enumerate(mixed_texts(records))]
    found = {}

    def opened() -> Memory:
        return Memory(HashEncoder(384), SQLiteStore(path, key=key, graph_from=1 << 40))

    with opened() as memory:
        found["store_many_s"] = milliseconds(lambda: memory.add_many(texts)) / 1000
    begin = time.perf_counter()
    with opened() as memory:
        found["open_ms"] = 1000 * (time.perf_counter() - begin)
        found["first_recall_ms"] = milliseconds(lambda: memory.recall(QUERIES[0]))
        asked = [QUERIES[i % len(QUERIES)] for i in range(TIMES)]
        found["recall_ms"] = median(milliseconds(lambda q=q: memory.recall(q)) for q in asked)
        found["words_ms"] = median(
            milliseconds(lambda q=q: memory.recall(q, mode="lexical")) for q in asked
        )
        found["add_ms"] = median(
            milliseconds(lambda i=i: memory.add(f"The kettle is on, said {i}."))
            for i in range(TIMES)
        )
    with Memory.open(folder / "import.db", passphrase=key) as memory:
        fresh = mixed_texts(imported, seed=1)
        memory.recall("warm")
        found["import_s"] = milliseconds(lambda: memory.add_many(fresh)) / 1000
    return found


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--imported", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    rounds: dict[str, list[dict[str, float]]] = {"plain": [], "encrypted": []}
    for _ in range(chosen.rounds):
        for kind, key in (("plain", None), ("encrypted", PASSPHRASE)):
            with tempfile.TemporaryDirectory() as folder:
                one = measure(Path(folder), key, records=chosen.records, imported=chosen.imported)
            rounds[kind].append(one)
    middle = {
        kind: {name: round(median(one[name] for one in all_), 3) for name in FIGURES}
        for kind, all_ in rounds.items()
    }
    plain, encrypted = middle["plain"], middle["encrypted"]
    costs = {
        "import_percent": round(100 * (encrypted["import_s"] / plain["import_s"] - 1), 1),
        "recall_ms": round(encrypted["recall_ms"] - plain["recall_ms"], 3),
        "open_ms": round(encrypted["open_ms"] - plain["open_ms"], 1),
        "add_ms": round(encrypted["add_ms"] - plain["add_ms"], 3),
    }
    given = {"records": chosen.records, "imported": chosen.imported, "rounds": chosen.rounds}
    head = environment("benchmarks.bench_encrypt")
    show(head | given | middle | {"costs": costs, "all": rounds}, chosen.out)


if __name__ == "__main__":
    main()
