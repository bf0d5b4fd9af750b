"""Recall at scale, adds, and many writers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.bench.tables.markdown import Result, load, number, spread, table, with_source

_ENGINES = {
    "lmort-memory": "ours: HNSW, vectors, texts, words",
    "lmort-memory recall": "ours, `Memory.recall`: words and vectors fused, whole records",
    "chromadb": "chromadb",
    "sqlite-vec": "sqlite-vec, an exact scan; vectors only",
    "lancedb": "LanceDB as it comes, an exact scan",
    "lancedb-indexed": "LanceDB, default index (IVF-PQ, not refined)",
    "numpy": "NumPy, float32 in memory; vectors only",
}


def store(results: Path, size: str) -> str:
    """Return everything about one number of vectors."""
    found = load(results, f"store-{size}")
    head = (
        f"{int(size):,} vectors",
        "p50 / p99 of all, ms",
        "p50 / p99 of the 1 %, ms",
        "index recall@10, all / 1 %",
        "open to first answer, warm / cold, s",
        "memory, own / mapped, MiB",
        "disk, MiB",
        "building, processor s",
    )
    rows = []
    for name, label in _ENGINES.items():
        engine = found["engines"].get(name)
        if engine is None or "failed" in engine["rounds"][-1]:
            continue
        rows.append([_versioned(label, engine), *_figures(engine)])
    runs = max(len(engine["rounds"]) for engine in found["engines"].values())
    below = f"{runs} rounds, the engines in turn: median (range) of the rounds' p50; medians else."
    return with_source(f"{table(head, rows)}\n\n{below}", found)


def _versioned(label: str, engine: Result) -> str:
    peer = re.match("chromadb|sqlite-vec|LanceDB", label)
    if peer is None:
        return label
    return label.replace(peer[0], f"{peer[0]} {engine['build']['version']}", 1)


def _figures(engine: Result) -> list[str]:
    rounds: Sequence[Result] = engine["rounds"]

    def asked(scope: str) -> str:
        middle = spread([one[scope]["p50_ms"] for one in rounds])
        return f"{middle} / {_median([one[scope]['p99_ms'] for one in rounds])}"

    found = [
        _median([one[scope].get("index_recall_at_10", -1.0) for one in rounds])
        for scope in ("all", "one_percent")
    ]
    opened = _median([one["open_to_answer_s"] for one in rounds])
    cold = _median([one["cold"]["open_to_answer_s"] for one in rounds])
    own, mapped = (_median([one[kind] for one in rounds]) for kind in ("memory_mib", "mapped_mib"))
    return [
        asked("all"),
        asked("one_percent"),
        "" if found[0].startswith("-") else " / ".join(found),
        f"{opened} / {cold}",
        f"{own} / {mapped}",
        number(rounds[0]["disk_mib"]),
        number(engine["build"]["processor_s"]),
    ]


def _median(values: Sequence[float]) -> str:
    return spread(values).split(" ")[0]


def sizes(results: Path) -> str:
    """Return p50 of all and of the 1 % at every size."""
    found = {
        int(path.stem.split("-")[1]): load(results, path.stem)
        for path in results.glob("store-*.json")
        if path.stem.split("-")[1].isdigit()
    }
    counts = sorted(found)
    rows = []
    for name, label in _ENGINES.items():
        cells = []
        for count in counts:
            engine = found[count]["engines"].get(name)
            cells.append("" if engine is None else _both(engine))
        rows.append(
            [label.split(":")[0].split(",")[0] if name == "lmort-memory" else label, *cells]
        )
    head = ("p50 of all / of the 1 %, ms", *(f"{count:,}" for count in counts))
    return with_source(table(head, rows), *(found[count] for count in counts))


def _both(engine: Result) -> str:
    return " / ".join(
        _median([one[scope]["p50_ms"] for one in engine["rounds"]])
        for scope in ("all", "one_percent")
    )


def adds(results: Path) -> str:
    """Return adds a second, in batches and one at a time."""
    found = load(results, "store-adds")
    batch = found["engines"]["lmort-memory"]["rounds"][0]["batch"]
    head = ("adds/s", f"batches of {batch:,}", "one at a time, each durable")
    rows = []
    for name, engine in found["engines"].items():
        rounds = engine["rounds"]
        both = [[one[key] for one in rounds] for key in ("batch_per_s", "single_per_s")]
        rows.append([_ENGINES[name].split(":")[0], *(spread(values) for values in both)])
    runs = len(found["engines"]["lmort-memory"]["rounds"])
    return with_source(f"{table(head, rows)}\n\n{runs} rounds, the engines in turn.", found)


def writers(results: Path) -> str:
    """Return what several processes wrote at once."""
    found = load(results, "writers")
    each = found["adds_of_each"]
    one = found["one_add"]
    never = "never went" if found["reads_never_went_backwards"] else "WENT"
    body = (
        f"{found['writers']} processes that add to one database without a pause for "
        f"{found['seconds']:.0f} seconds, every add durable when it returns, and one that reads: "
        f"{found['adds']:,} adds ({min(each):,} to {max(each):,} of each), {found['lost']} lost, "
        f"{found['errors']} processes with an error; one add p50 {number(one['p50_ms'])} ms, p99 "
        f"{number(one['p99_ms'])} ms; {found['reads']} reads {never} backwards; the database "
        f"{'verified' if found['verified'] else 'did NOT verify'}."
    )
    return with_source(body, found)
