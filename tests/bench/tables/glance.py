"""The page's first table: one row for each system, a figure of every section."""

from __future__ import annotations

from pathlib import Path

from tests.bench.tables.durability import killed
from tests.bench.tables.markdown import Result, load, number, spread, table

_HEAD = (
    "",
    "LoCoMo, R@10",
    "XQuAD, nDCG@10",
    "notes/s imported",
    "p50 of 100,000, ms",
    "first recall, s",
    "MB installed",
    "kill -9: databases broken, calls torn",
)
_ROWS = {
    "lmort-memory": "**lmort-memory**",
    "chromadb": "chromadb",
    "mem0ai": "mem0, local embedder",
    "txtai": "txtai, `hybrid=True`",
    "llm": "llm, local models",
    "sqlite-vec": "sqlite-vec",
    "lancedb": "LanceDB",
}
_HOMES = {"mem0ai": "mem0ai-local", "llm": "llm-local"}
_FLOWS = {"txtai": "txtai-hybrid"}
_KILLED = {"chromadb": "chromadb-defaults"}


def glance(results: Path) -> str:
    """Return the table; what does not apply, or was not measured, is left empty."""
    return table(_HEAD, [[label, *_cells(results, name)] for name, label in _ROWS.items()])


def _cells(results: Path, name: str) -> list[str]:
    imported = load(results, "import-speed").get(name)
    engine = load(results, "store-100000")["engines"].get(name)
    kills = killed(results).get(_KILLED.get(name, name))
    footprint = load(results, "footprint")
    home = _HOMES.get(name, name)
    recall = footprint["timed"].get(home, {}).get("first recall")
    installed = footprint["installed"].get(home)
    return [
        _found(results, name, "locomo_dev", "recall@10"),
        _found(results, name, "xquad_en", "ndcg@10"),
        "" if imported is None else number(imported["texts_per_s"]),
        "" if engine is None else _p50(engine),
        "" if recall is None else number(recall["wall_s"]["median"]),
        "" if installed is None else f"{installed['mb']:,.0f}",
        "" if kills is None else f"{kills['unopened']}, {kills['torn']} of {kills['kills']}",
    ]


def _found(results: Path, name: str, dataset: str, metric: str) -> str:
    if name == "lmort-memory":
        rows = load(results, "quality")[dataset]["rows"]
        best = rows.get("hybrid, LMORT in context") or rows["hybrid, LMORT"]
        return f"{best[metric]['mean']:.3f}"
    rows = load(results, "flows")["sets"][dataset]
    row = rows.get(_FLOWS.get(name, name))
    return "" if row is None else f"{row[metric]['mean']:.3f}"


def _p50(engine: Result) -> str:
    return spread([one["all"]["p50_ms"] for one in engine["rounds"]]).split(" ")[0]
