"""What is installed, and how soon it answers."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tables.markdown import Result, load, of_summary, table, with_source

_SYSTEMS = {
    "lmort-memory": "lmort-memory[smollm2]",
    "chromadb": "chromadb",
    "mem0ai": "mem0ai",
    "mem0ai-local": "mem0ai, local embedder",
    "llm": "llm",
    "llm-local": "llm, local models",
    "txtai": "txtai",
}


def footprint(results: Path) -> str:
    """Return packages, megabytes, start-up and memory, a row for each system."""
    found = load(results, "footprint")
    head = (
        "",
        "what it can do",
        "packages",
        "MB",
        "import, s",
        "`--help`, s",
        "first recall, s",
        "its memory, own / mapped, MiB",
    )
    rows = []
    for name, label in _SYSTEMS.items():
        installed, timed = found["installed"][name], found["timed"][name]
        rows.append(
            [
                label,
                installed["why"],
                str(installed["packages"]),
                f"{installed['mb']:,.0f}",
                _wall(timed, "import"),
                _wall(timed, "help"),
                _wall(timed, "first recall"),
                _memory(timed),
            ]
        )
    one = found["timed"]["lmort-memory"]
    empty = of_summary(one["empty python"]["wall_s"], 2)
    below = (
        f"Medians of {one['import']['wall_s']['runs']} whole processes after one that does not "
        f"count, the systems in turn (range). An empty Python takes {empty} s."
    )
    return with_source(f"{table(head, rows)}\n\n{below}", found)


def _wall(timed: Result, step: str) -> str:
    return of_summary(timed[step]["wall_s"]) if step in timed else "none"


def _memory(timed: Result) -> str:
    if "first recall" not in timed:
        return ""
    found = timed["first recall"]
    return " / ".join(f"{found[kind]['median']:.0f}" for kind in ("own_mib", "mapped_mib"))
