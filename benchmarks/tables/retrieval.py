"""How well things are found, ours and whole programs, with intervals."""

from __future__ import annotations

from pathlib import Path

from benchmarks.questions import SHOWN
from benchmarks.tables.markdown import Result, load, table, with_source

_SYSTEMS = {
    "bm25": "BM25",
    "words": "our words",
    "dense, MiniLM": "MiniLM, exact",
    "dense, e5-small": "e5-small (4 bits), exact",
    "chromadb": "chromadb",
    "mem0ai": "mem0",
    "txtai": "txtai",
    "txtai-hybrid": "txtai, `hybrid=True`",
    "hybrid, MiniLM": "MiniLM in our fusion",
    "hybrid, e5-small": "e5-small in our fusion",
    "dense, LMORT": "LMORT alone",
    "dense, LMORT in context": "LMORT in context",
    "hybrid, LMORT": "LMORT, hybrid",
    "hybrid, LMORT in context": "LMORT in context, hybrid",
}
_LABELS = dict(zip(SHOWN, ("R@1", "R@5", "R@10", "R@50", "MRR@10", "nDCG@10"), strict=True))
_SETS = {
    "locomo_dev": ("LoCoMo dev R@10", "recall@10"),
    "madial_en": ("MADial R@10", "recall@10"),
    "xquad_en": ("XQuAD nDCG@10", "ndcg@10"),
    "fairytaleqa_test": ("FairytaleQA nDCG@10", "ndcg@10"),
    "mtrag_un_pooled": ("MTRAG-UN, pooled nDCG@10", "ndcg@10"),
    "scifact_pool": ("SciFact, 1,027 abstracts nDCG@10", "ndcg@10"),
}
_WITH_INTERVAL = ("recall@10", "ndcg@10")


def retrieval(results: Path, name: str) -> str:
    """Return every system's figures on one set."""
    quality, flows = load(results, "quality"), load(results, "flows")
    systems = quality[name]["rows"] | flows["sets"][name]
    rows = [
        [label, *(_figure(systems[row][metric], metric) for metric in SHOWN)]
        for row, label in _SYSTEMS.items()
        if row in systems
    ]
    body = table((f"{quality[name]['queries']:,} questions", *_LABELS.values()), rows)
    runs = (quality[name]["environment"], flows["sets"][name]["environment"])
    files = (quality["file"], flows["file"])
    return with_source(
        body, *({**run, "file": file} for run, file in zip(runs, files, strict=True))
    )


def _figure(found: Result, metric: str) -> str:
    if metric not in _WITH_INTERVAL:
        return f"{found['mean']:.3f}"
    low, high = found["interval"]
    return f"{found['mean']:.3f} ({low:.3f} to {high:.3f})"


def overview(results: Path) -> str:
    """Return BM25, MiniLM, the linear baseline and ours on all sets, and what ours is of MiniLM."""
    found = load(results, "quality")
    sets = {name: about for name, about in _SETS.items() if name in found}
    rows = [
        [label, *(_cell(found[name]["rows"], row, metric) for name, (_, metric) in sets.items())]
        for row, label in _OVERVIEW.items()
        if any(row in found[name]["rows"] for name in sets)  # the baseline may be left out
    ]
    for peer in ("MiniLM", "e5-small"):
        for kind in ("dense", "hybrid"):
            ratios = (_ratio(found, name, kind, peer) for name in sets)
            rows.append([f"{kind}, ours / {peer}", *ratios])
    body = table(("", *(label for label, _ in sets.values())), rows)
    return with_source(body, found)


_OVERVIEW = {
    "bm25": "BM25",
    "words": "the product's words",
    "dense, MiniLM": "all-MiniLM-L6-v2",
    "dense, MiniLM with the two turns before": "MiniLM of a turn with the two before it",
    "dense, e5-small": "multilingual-e5-small, 4 bits",
    "dense, linear": "linear baseline, alone",
    "dense, linear in context": "linear baseline, in context",
    "dense, LMORT": "**shipped tuner, alone**",
    "dense, LMORT in context": "**shipped tuner, in context**",
    "dense, LMORT without tokens": "its vectors without tokens, alone",
    "dense, LMORT in context without tokens": "its vectors without tokens, in context",
    "hybrid, MiniLM": "MiniLM + words",
    "hybrid, MiniLM with the two turns before": "MiniLM with the two before + words",
    "hybrid, e5-small": "e5-small + words",
    "hybrid, linear": "linear baseline + words, alone",
    "hybrid, linear in context": "linear baseline + words, in context",
    "hybrid, LMORT": "**shipped tuner + words, alone**",
    "hybrid, LMORT in context": "**shipped tuner + words, in context**",
    "hybrid, LMORT without tokens": "its vectors without tokens + words, alone",
    "hybrid, LMORT in context without tokens": "its vectors without tokens + words, in context",
}


def _cell(rows: Result, row: str, metric: str) -> str:
    return _figure(rows[row][metric], "recall@10") if row in rows else ""


def _ratio(found: Result, name: str, kind: str, peer: str) -> str:
    rows, metric = found[name]["rows"], _SETS[name][1]
    if f"{kind}, {peer}" not in rows:
        return ""
    base = rows[f"{kind}, {peer}"][metric]["mean"]
    ways = {"alone": f"{kind}, LMORT", "in context": f"{kind}, LMORT in context"}
    ratios = [
        f"{rows[row][metric]['mean'] / base:.3f} {way}" for way, row in ways.items() if row in rows
    ]
    return ", ".join(ratios) if len(ratios) > 1 else ratios[0].split(" ")[0]


def headline(results: Path) -> str:
    """Return recall@10 on LoCoMo, by vectors and by vectors and words."""
    rows = load(results, "quality")["locomo_dev"]["rows"]
    labels = {
        "MiniLM": "all-MiniLM-L6-v2, a second model of 22 M parameters",
        "LMORT": "lmort-memory, each turn by itself",
        "LMORT in context": "lmort-memory, turns as they were read in the chat",
    }
    return table(
        ("recall@10", "vectors", "vectors and words"),
        [
            [label, *(_cell(rows, f"{kind}, {row}", "recall@10") for kind in ("dense", "hybrid"))]
            for row, label in labels.items()
        ],
    )


def models(results: Path) -> str:
    """Return what a tuner of each model takes to make, and what it finds."""
    found = load(results, "models")
    first = next(iter(found["models"].values()))
    sets = {name: about for name, about in _SETS.items() if name in first["sets"]}
    rows = []
    for name, one in found["models"].items():
        made = one.get("made")
        took = [f"{made['minutes']:.0f}", f"{made['peak_mb']:,}"] if made else ["", ""]
        cells = [_parts(one["sets"][of], metric) for of, (_, metric) in sets.items()]
        rows.append([name, f"{one['parameters_m']:,}", *took, *cells])
    head = ("", "million parameters", "minutes", "peak MiB", *(label for label, _ in sets.values()))
    return with_source(table(head, rows), found)


def _parts(rows: Result, metric: str) -> str:
    """Return a figure by vectors and the one with words."""
    return f"{rows['dense'][metric]:.3f}, {rows['hybrid'][metric]:.3f}"
