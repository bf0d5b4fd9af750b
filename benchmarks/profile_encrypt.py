"""What encryption costs in CPU time: useful on a machine that does other things meanwhile.

    python -m benchmarks.profile_encrypt --records 20000 --out benchmarks/results/encrypt-cpu.json

Beside `bench_encrypt`, which measures by the clock and needs an idle machine. `first_recall_ms` is
what the calling thread computes when the question takes time to encode, as with a model: the
vectors are read meanwhile. `first_recall_unread_ms` is the same when it takes none, and
`first_recall_all_ms` what all threads compute then. Medians of `--rounds`, plain and encrypted in
turn. `read_vectors_ms` is what reading every vector once costs, on a fresh connection.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.environment import environment, show
from benchmarks.texts import mixed_texts
from lmort_memory import Memory
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder

PASSPHRASE = "correct horse battery staple"
QUERY = "bees on the roof"
TIMES = 30


def cpu_ms(step: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the CPU time of a step."""
    begin = clock()
    step()
    return 1000 * (clock() - begin)


class Waiting(HashEncoder):
    """Takes as long for a question as a model on a busy machine, and computes nothing."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Wait, then encode."""
        time.sleep(0.3)
        return super().encode_query(text)


def opened(path: Path, key: str | None, encoder: type[HashEncoder] = HashEncoder) -> Memory:
    """Open a memory that searches exactly."""
    return Memory(encoder(384), SQLiteStore(path, key=key, graph_from=1 << 40))


def measure(path: Path, key: str | None) -> dict[str, float]:
    """Measure one opening and what follows."""
    with opened(path, key, Waiting) as memory:
        memory.recall("words first", mode="lexical")  # imports, and the connection
        found = {"first_recall_ms": cpu_ms(lambda: memory.recall(QUERY), time.thread_time)}
    with opened(path, key) as memory:
        memory.recall("words first", mode="lexical")
        unread = cpu_ms(lambda: memory.recall(QUERY), time.thread_time)
        found["first_recall_unread_ms"] = unread
        found["recall_ms"] = median(cpu_ms(lambda: memory.recall(QUERY)) for _ in range(TIMES))
        found["add_ms"] = median(
            cpu_ms(lambda i=i: memory.add(f"The kettle is on, said {time.time()} {i}."))
            for i in range(TIMES)
        )
    with opened(path, key) as memory:
        memory.recall("words first", mode="lexical")
        found["first_recall_all_ms"] = cpu_ms(lambda: memory.recall(QUERY))
    with opened(path, key) as memory:
        memory.recall("words first", mode="lexical")
        with memory.store._database.read() as connection:
            every = "SELECT v, vector FROM vectors ORDER BY v"
            found["read_vectors_ms"] = cpu_ms(lambda: sum(1 for _ in connection.execute(every)))
    return found


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    texts = [f"{text} ({i})" for i, text in enumerate(mixed_texts(chosen.records))]
    kinds = {"plain": None, "encrypted": PASSPHRASE}
    rounds: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    middle: dict[str, dict[str, float]] = {kind: {} for kind in kinds}
    with tempfile.TemporaryDirectory() as name:
        for kind, key in kinds.items():
            with opened(Path(name) / kind, key) as memory:
                many = cpu_ms(lambda memory=memory: memory.add_many(texts)) / 1000
            middle[kind]["store_many_s"] = round(many, 2)
        for _ in range(chosen.rounds):
            for kind, key in kinds.items():
                rounds[kind].append(measure(Path(name) / kind, key))
    for kind, all_ in rounds.items():
        for figure in all_[0]:
            middle[kind][figure] = round(median(one[figure] for one in all_), 2)
    head = environment("benchmarks.profile_encrypt")
    given = {"records": chosen.records, "rounds": chosen.rounds}
    show(head | given | middle | {"all": rounds}, chosen.out)


if __name__ == "__main__":
    main()
