"""How well things are found, ours and whole programs, with intervals."""

from __future__ import annotations

from pathlib import Path

from tests.bench.questions import SHOWN
from tests.bench.tables.markdown import Result, load, table, with_source

_OURS = {
    "bm25": "BM25",
    "dense, MiniLM": "MiniLM, exact",
    "chromadb": "chromadb",
    "mem0ai": "mem0",
    "txtai": "txtai",
    "txtai-hybrid": "txtai, `hybrid=True`",
    "hybrid, MiniLM": "MiniLM in our fusion",
    "dense, LMORT": "LMORT alone",
    "dense, LMORT in context": "LMORT in context",
    "hybrid, LMORT": "LMORT, hybrid",
    "hybrid, LMORT in context": "LMORT in context, hybrid",
}
_LABELS = dict(zip(SHOWN, ("R@1", "R@5", "R@10", "R@50", "MRR@10", "nDCG@10"), strict=True))
_WITH_INTERVAL = ("recall@10", "ndcg@10")


def retrieval(results: Path, name: str) -> str:
    """Return every system's figures on one set."""
    quality, flows = load(results, "quality"), load(results, "flows")
    systems = quality[name]["rows"] | flows["sets"][name]
    rows = [
        [label, *(_figure(systems[row][metric], metric) for metric in SHOWN)]
        for row, label in _OURS.items()
        if row in systems
    ]
    body = table((f"{quality[name]['queries']:,} questions", *_LABELS.values()), rows)
    return with_source(body, quality, flows)


def _figure(found: Result, metric: str) -> str:
    if metric not in _WITH_INTERVAL:
        return f"{found['mean']:.3f}"
    low, high = found["interval"]
    return f"{found['mean']:.3f} ({low:.3f} to {high:.3f})"
