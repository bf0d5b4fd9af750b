"""What it costs in quality to rank only the rows that hold a question's rarest words.

    python -m benchmarks.bench_words --set DIR --set DIR --out benchmarks/results/words.json

A development set has a few thousand documents and would never meet the bound of `store.words`, so
the bound is lowered to a share of the documents: 0.01 is what 10,000 rows are to a million.
Not a measurement of time; runs anywhere.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.words import search as words
from lmort_memory.tuners.evaluate.beir import EvalSet, load_set
from lmort_memory.types import Turn

SHARES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
DEPTH = 100


def filled(store: SQLiteStore, dataset: EvalSet) -> dict[str, str]:
    """Store the documents, each group as a scope; return record id -> document id."""
    turns = [
        Turn(item.text, scope=str(item.fields.get(dataset.group or "")), session="all")
        for item in dataset.documents
    ]
    stored = store.add(turns)
    return {one.record.id: item.id for one, item in zip(stored, dataset.documents, strict=True)}


def recalls(store: SQLiteStore, dataset: EvalSet, names: dict[str, str]) -> dict[str, float]:
    """Return recall@1 and @10 over all questions, and how many records were found on average."""
    found: dict[str, list[float]] = {"recall@1": [], "recall@10": [], "found": []}
    for question in dataset.queries:
        chosen = Filter(scope=str(question.fields.get(dataset.group or "")))
        ranked = [names[m.id] for m in store.lexical(question.text, chosen, limit=DEPTH)]
        relevant = {id_ for id_, grade in dataset.qrels[question.id].items() if grade > 0}
        for k in (1, 10):
            found[f"recall@{k}"].append(len(relevant & set(ranked[:k])) / len(relevant))
        found["found"].append(len(ranked))
    return {name: round(float(np.mean(values)), 4) for name, values in found.items()}


def main() -> None:
    """Parse, measure every set at every share, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    told: dict[str, dict[str, dict[str, float]]] = {}
    for folder in chosen.set:
        dataset = load_set(folder)
        with tempfile.TemporaryDirectory() as work, SQLiteStore(f"{work}/memory.db") as store:
            names = filled(store, dataset)
            for share in SHARES:
                words.ROWS = max(1, int(share * len(names))) if share < 1 else len(names)
                told.setdefault(dataset.name, {})[str(share)] = recalls(store, dataset, names)
        print(dataset.name, len(names), json.dumps(told[dataset.name], indent=1), flush=True)
    if chosen.out is not None:
        chosen.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
