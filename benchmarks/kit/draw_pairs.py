"""Draws the kit's pairs: `python -m benchmarks.kit.draw_pairs DATA FOLDER`.

Questions with the passages that answer them, for `lmort-mem tuner make`: it finds the directions in
which both agree. The sources' licences are those of the kit. No text of a pair is held out there.
The same data and this file give the same pairs; nothing else is needed, the teacher included.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.kit.draw_kit import ORIGINS, Origin, clean
from lmort_memory.kit import PAIRS_FILE, KitPair, load_kit
from lmort_memory.tuners.jsonl import read_jsonl

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COUNTS", "PAIR_ORIGINS", "draw_pairs", "write_pairs"]

COUNTS: Final = {
    "fairytaleqa": 600,
    "medquad": 400,
    "qmsum": 400,
    "openstax": 400,
    "covidqa": 300,
    "scitldr": 250,
    "digitalgov": 200,
    "til_jbranchaud": 150,
    "acl_abstracts": 150,
    "handbook_18f": 100,
    "til_simonw": 50,
}
"""Source -> how many pairs."""

PAIR_ORIGINS: Final = ORIGINS | {
    "covidqa": Origin("COVID-QA", "deepset-ai/COVID-QA@fb2eb5e24961", "Apache-2.0"),
    "scitldr": Origin("SciTLDR", "allenai/scitldr@5ccad9c00a60", "Apache-2.0"),
}
_HEADING: Final = "## Pairs\n\n"
_FEWEST_WORDS: Final = 3
_SEED: Final = 20261126


def draw_pairs(data: Path) -> list[KitPair]:
    """Draw pairs of every source, no text twice, in random order.

    Raises:
        TunerError: a source is missing or damaged.
    """
    kit = load_kit()
    seen = {item.text for item in kit.items[: kit.n_held_out]}
    found: list[KitPair] = []
    for source, count in COUNTS.items():
        rows = list(read_jsonl(data / "pairs" / f"{source}.jsonl.gz"))
        random.Random(f"{_SEED} {source}").shuffle(rows)
        wanted = len(found) + count
        for row in rows:
            pair = KitPair(clean(str(row["query"])), clean(str(row["positive"])), source)
            texts = {pair.question, pair.answer}
            short = min(len(text.split()) for text in texts) < _FEWEST_WORDS
            if len(found) < wanted and not short and not texts & seen:
                seen |= texts
                found.append(pair)
    random.Random(_SEED).shuffle(found)
    return found


def write_pairs(folder: Path, pairs: Sequence[KitPair]) -> None:
    """Write the pairs beside the kit's other files, and their sources into its attribution."""
    lines = "".join(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)
    path = folder / PAIRS_FILE
    path.write_bytes(gzip.compress(lines.encode(), compresslevel=9, mtime=0))
    attribution = folder / "ATTRIBUTION.md"
    kept = attribution.read_text(encoding="utf-8").split(_HEADING)[0].rstrip()
    attribution.write_text(f"{kept}\n\n{_HEADING}{_sources(pairs)}", encoding="utf-8")


def _sources(pairs: Sequence[KitPair]) -> str:
    rows = [
        f"| {origin.title} | {origin.repository} | {origin.licence} | {count} |\n"
        for source, count in sorted(Counter(pair.source for pair in pairs).items())
        for origin in [PAIR_ORIGINS[source]]
    ]
    return (
        f"`{PAIRS_FILE}` holds questions, or headings, with passages of the works below, cut "
        "likewise.\n\n| work | repository | licence | pairs |\n|---|---|---|---|\n" + "".join(rows)
    )


if __name__ == "__main__":
    write_pairs(Path(sys.argv[2]), draw_pairs(Path(sys.argv[1])))
