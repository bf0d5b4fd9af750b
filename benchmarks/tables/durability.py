"""kill -9, side by side."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tables.markdown import load, table, with_source

_ROWS = {
    "kills": "kills",
    "acknowledged": "texts whose add had returned",
    "lost": "of these lost",
    "not_found": "of these listed, and not found by their own vector",
    "twice": "listed twice",
    "unopened": "next processes that crashed, or could not open, list or search",
    "torn": "kills after which part of a call of forty is there",
}


def durability(results: Path) -> str:
    """Return what the kills did to each system."""
    found = load(results, "durability")
    systems = found["systems"]
    rows = [[label, *(f"{one[key]:,}" for one in systems.values())] for key, label in _ROWS.items()]
    return with_source(table(("", *systems), rows), found)
