"""Recall at scale, adds, and many writers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables.markdown import Result, load, median, number, spread, table, with_source

ENOUGH = 100  # questions, for a p99
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
        "questions",
        "index recall@10, all / 1 %",
        "open to first answer, warm / coldest, s",
        "memory, own / mapped, MiB",
        "disk, MiB",
        "building, processor s",
    )
    rows = [
        [_versioned(label, found["engines"][name]), *_figures(found["engines"][name])]
        for name, label in _ENGINES.items()
        if _answered(found, name)
    ]
    runs = max(len(engine["rounds"]) for engine in found["engines"].values())
    below = (
        f"{runs} rounds, the engines in turn: median (range) of the rounds' p50; medians else, and "
        "the slowest of the cold openings, since the kernel need not drop what it is asked to. A "
        "p99 of fewer than 100 questions is left out."
    )
    return with_source(f"{table(head, rows)}\n\n{below}", found)


def _versioned(label: str, engine: Result) -> str:
    peer = re.match("chromadb|sqlite-vec|LanceDB", label)
    if peer is None:
        return label
    return label.replace(peer[0], f"{peer[0]} {engine['build']['version']}", 1)


def _answered(found: Result, name: str) -> bool:
    """Whether an engine was measured, in every round."""
    engine = found["engines"].get(name)
    return engine is not None and not any("failed" in one for one in engine["rounds"])


def _figures(engine: Result) -> list[str]:
    rounds: Sequence[Result] = engine["rounds"]
    scopes = ("all", "one_percent")

    def middle(key: str, scope: str | None = None) -> str:
        return median([(one[scope] if scope else one)[key] for one in rounds])

    def asked(scope: str) -> str:
        p99 = middle("p99_ms", scope) if _questions(rounds, scope) >= ENOUGH else ""
        return f"{spread([one[scope]['p50_ms'] for one in rounds])} / {p99}".removesuffix(" / ")

    recalls = "index_recall_at_10" in rounds[0]["all"]
    cold = max(one["cold"]["open_to_answer_s"] for one in rounds)
    return [
        *(asked(scope) for scope in scopes),
        " / ".join(f"{_questions(rounds, scope):,}" for scope in scopes),
        " / ".join(middle("index_recall_at_10", scope) for scope in scopes) if recalls else "",
        f"{middle('open_to_answer_s')} / {number(cold)}",
        f"{middle('memory_mib')} / {middle('mapped_mib')}",
        number(rounds[0]["disk_mib"]),
        number(engine["build"]["processor_s"]),
    ]


def _questions(rounds: Sequence[Result], scope: str) -> int:
    """Return how many questions all rounds asked."""
    return sum(int(one[scope]["questions"]) for one in rounds)


def sizes(results: Path) -> str:
    """Return p50 of all and of the 1 % at every size."""
    found = {
        int(path.stem.removeprefix("store-")): load(results, path.stem)
        for path in results.glob("store-*.json")
        if path.stem.removeprefix("store-").isdigit()
    }
    counts = sorted(found)
    rows = []
    for name, label in _ENGINES.items():
        cells = [
            _both(found[count]["engines"][name]) if _answered(found[count], name) else ""
            for count in counts
        ]
        rows.append([label, *cells])
    head = ("p50 of all / of the 1 %, ms", *(f"{count:,}" for count in counts))
    return with_source(table(head, rows), *(found[count] for count in counts))


def _both(engine: Result) -> str:
    return " / ".join(p50(engine, scope) for scope in ("all", "one_percent"))


def p50(engine: Result, scope: str) -> str:
    """Return the median of the rounds' p50 in milliseconds; scope is "all" or "one_percent"."""
    return median([one[scope]["p50_ms"] for one in engine["rounds"]])


def adds(results: Path) -> str:
    """Return adds a second, in batches and one at a time."""
    found = load(results, "store-adds")
    batch = found["engines"]["lmort-memory"]["rounds"][0]["batch"]
    head = ("adds/s", f"batches of {batch:,}", "one at a time, each durable")
    rows = []
    for name, engine in found["engines"].items():
        if not _answered(found, name):
            continue
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
