"""The tables of the pages below, made of the JSON in benchmarks/results.

    python -m benchmarks.tables

rewrites every block of these pages between `<!-- table: NAME -->` and `<!-- end -->`; the prose
around them is written by hand. A test holds the pages to the results: no figure of a table is
typed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.tables.answers import answers, given, given_by_kind, recalled, wordings
from benchmarks.tables.chat import chat, pieces, turn_length, types
from benchmarks.tables.durability import durability
from benchmarks.tables.footprint import footprint
from benchmarks.tables.glance import glance
from benchmarks.tables.imports import export, large, redaction, speed, vault
from benchmarks.tables.retrieval import headline, models, overview, retrieval
from benchmarks.tables.store import adds, sizes, store, writers

PAGES = (
    Path("README.md"),
    *(
        Path("docs", f"{name}.md")
        for name in (
            "answers",
            "benchmarks",
            "chat",
            "import-formats",
            "importing",
            "models",
            "quality",
        )
    ),
)
RESULTS = Path("benchmarks/results")
TABLES: dict[str, Callable[..., str]] = {
    "glance": glance,
    "retrieval": retrieval,
    "quality": overview,
    "headline": headline,
    "models": models,
    "turn-length": turn_length,
    "chat": chat,
    "chat-pieces": pieces,
    "types": types,
    "import-speed": speed,
    "import-vault": vault,
    "import-export": export,
    "import-large": large,
    "redaction": redaction,
    "store": store,
    "store-sizes": sizes,
    "store-adds": adds,
    "writers": writers,
    "footprint": footprint,
    "durability": durability,
    "given": given,
    "given-by-kind": given_by_kind,
    "recalled": recalled,
    "answers": answers,
    "wordings": wordings,
}
"""Name in a page -> function of the results' folder and the words behind the name."""

_BLOCK = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(page: str, results: Path) -> str:
    """Return the page with every block made anew."""

    def made(block: re.Match[str]) -> str:
        name, *words = block[2].split()
        return f"{block[1]}\n{TABLES[name](results, *words)}\n\n{block[3]}"

    return _BLOCK.sub(made, page)
