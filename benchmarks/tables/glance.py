"""The page's first table: one row for each system, a figure of every section."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tables.markdown import load, number, table
from benchmarks.tables.store import p50

_HEAD = (
    "",
    "LoCoMo, R@10",
    "XQuAD, nDCG@10",
    "notes/s imported",
    "search among 100,000, p50, ms",
    "first recall, s",
    "MB after first use",
    "kill -9: failed afterwards, calls torn",
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
_SCANS = {"sqlite-vec": ", an exact scan", "lancedb": ", an exact scan"}
_KILLED = {"chromadb": "chromadb-defaults"}


def glance(results: Path) -> str:
    """Return the table; what does not apply, or was not measured, is left empty."""
    return table(_HEAD, [[label, *_cells(results, name)] for name, label in _ROWS.items()])


def _cells(results: Path, name: str) -> list[str]:
    imported = load(results, "import-speed").get(name)
    kills = load(results, "durability")["systems"].get(_KILLED.get(name, name))
    home = _HOMES.get(name, name)
    recall = load(results, "footprint")["timed"].get(home, {}).get("first recall")
    return [
        _found(results, name, "locomo_dev", "recall@10"),
        _found(results, name, "xquad_en", "ndcg@10"),
        "" if imported is None else number(imported["texts_per_s"]),
        _search(results, name),
        "" if recall is None else number(recall["wall_s"]["median"]),
        _megabytes(results, name, home),
        "" if kills is None else f"{kills['unopened']}, {kills['torn']} of {kills['kills']}",
    ]


def _search(results: Path, name: str) -> str:
    engines = load(results, "store-100000")["engines"]
    if name not in engines:
        return ""
    if name == "lmort-memory":
        fused = p50(engines["lmort-memory recall"], "all")
        return f"{p50(engines[name], 'all')}; {fused} with words, fused"
    return f"{p50(engines[name], 'all')}{_SCANS.get(name, '')}"


def _megabytes(results: Path, name: str, home: str) -> str:
    """Return what is installed, and what the first use adds: a model, or a copy of one."""
    footprint = load(results, "footprint")
    if home not in footprint["installed"]:
        return ""
    added = {
        "lmort-memory": load(results, "types")["types"]["Q8_0"]["bytes"] / 1e6,
        "chromadb": footprint["minilm_onnx_mb"],
    }
    return f"{footprint['installed'][home]['mb'] + added.get(name, 0):,.0f}"


def _found(results: Path, name: str, dataset: str, metric: str) -> str:
    if name == "lmort-memory":
        rows = load(results, "quality")[dataset]["rows"]
        best = rows.get("hybrid, LMORT in context") or rows["hybrid, LMORT"]
        return f"{best[metric]['mean']:.3f}"
    rows = load(results, "flows")["sets"][dataset]
    row = rows.get(_FLOWS.get(name, name))
    return "" if row is None else f"{row[metric]['mean']:.3f}"
