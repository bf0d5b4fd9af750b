"""Retrieval as whole programs do it, each with its defaults, on the development sets.

    python -m benchmarks.peers --work DIR --only chromadb mem0ai txtai
    python -m benchmarks.bench_flows --work DIR --set DATA/eval/locomo_dev --set DATA/eval/xquad_en
        --out benchmarks/results/flows.json

All are handed the same vectors, those of all-MiniLM-L6-v2, in place of an embedding model of their
own: chromadb's default function downloads exactly this model, for mem0 (`infer=False`) and txtai it
is a usual choice. So they differ in fusion, thresholds, filters and in how they store, and in
nothing else; our own rows on the same sets are in quality.json. Documents are stored session by
session; where a set has groups, each query asks its group by the program's own filter. Results of
systems and sets that are not asked for again stay in the file. The figures of every question lie
beside it, a file for each set.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from itertools import groupby
from pathlib import Path

import numpy as np

from benchmarks.environment import environment
from benchmarks.peers import environ, python
from benchmarks.questions import SHOWN, write_questions
from lmort_memory.tuners.evaluate.beir import EvalSet, load_set
from lmort_memory.tuners.evaluate.metrics import bootstrap_interval, score_run
from lmort_memory.tuners.evaluate.report import Report

CHILD = Path(__file__).with_name("peer_child.py")
DEPTH = 50
BATCH = 200
HOMES = {
    "chromadb": "chromadb",
    "mem0ai": "mem0ai",
    "txtai": "txtai",
    "txtai-hybrid": "txtai",
}
"""System of `peer_child` -> environment that it runs in."""


def group_of(dataset: EvalSet, fields: object) -> str:
    """Return the group of a document or query; sets without have one."""
    return "all" if dataset.group is None else str(dict(fields)[dataset.group])  # type: ignore[call-overload]


def to_child(dataset: EvalSet) -> dict[str, object]:
    """Return what a child is given: parts of documents in order, and queries."""
    keyed = [
        (group_of(dataset, item.fields), item.fields.get("session")) for item in dataset.documents
    ]
    parts = []
    for key, run in groupby(range(len(keyed)), key=keyed.__getitem__):
        numbers = list(run)
        for start in range(0, len(numbers), BATCH):
            batch = [dataset.documents[i] for i in numbers[start : start + BATCH]]
            parts.append(
                {
                    "group": key[0],
                    "session": None if key[1] is None else str(key[1]),
                    "names": [item.id for item in batch],
                    "texts": [item.text for item in batch],
                }
            )
    queries = [(item.id, group_of(dataset, item.fields), item.text) for item in dataset.queries]
    return {"parts": parts, "queries": queries, "depth": DEPTH}


def minilm(work: Path, dataset: EvalSet) -> np.ndarray:
    """Return the vectors of all documents and queries, made once for each set."""
    path = work / f"minilm-{dataset.name}.npz"
    if not path.exists():
        from lmort_memory.tuners.train.teacher import Teacher

        encode = Teacher().encode
        documents = encode([item.text for item in dataset.documents])
        np.savez(path, d=documents, q=encode([item.text for item in dataset.queries]))
    with np.load(path) as found:
        return np.concatenate([found["d"], found["q"]])


def run(work: Path, system: str, dataset: EvalSet) -> dict[str, object]:
    """Let one system store and rank a set in its environment."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "set.json").write_text(json.dumps(to_child(dataset)))
        texts = [item.text for item in (*dataset.documents, *dataset.queries)]
        np.savez(place / "vectors.npz", texts=np.array(texts), vectors=minilm(work, dataset))
        command = [python(work, HOMES[system]), CHILD, "flow", system, place]
        subprocess.run(command, env=environ(work), check=True)
        found: dict[str, object] = json.loads((place / "ranking.json").read_text())
    return found


def scored(dataset: EvalSet, ranking: dict[str, list[str]]) -> dict[str, np.ndarray]:
    """Judge rankings as `score_run` judges scores."""
    number = {item.id: index for index, item in enumerate(dataset.documents)}
    scores = np.full((len(dataset.queries), len(number)), -np.inf, dtype=np.float32)
    for row, query in enumerate(dataset.queries):
        for rank, name in enumerate(dict.fromkeys(ranking[query.id])):
            scores[row, number[name]] = -rank
    scores[~dataset.candidates()] = -np.inf
    return score_run(dataset, scores)


def figures(values: dict[str, np.ndarray]) -> dict[str, object]:
    """Return means with 95 % intervals."""
    return {
        metric: {
            "mean": round(float(values[metric].mean()), 4),
            "interval": [round(x, 4) for x in bootstrap_interval(values[metric])],
        }
        for metric in SHOWN
    }


def main() -> None:
    """Run every system on every set; write after each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--set", type=Path, action="append", required=True, dest="sets")
    parser.add_argument("--system", nargs="+", choices=HOMES, default=list(HOMES))
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    report = json.loads(chosen.out.read_text()) if chosen.out.exists() else {"sets": {}}
    where = environment("benchmarks.bench_flows")
    for folder in chosen.sets:
        dataset = load_set(folder)
        rows = {}
        report["sets"].setdefault(dataset.name, {})["environment"] = where
        for system in chosen.system:
            found = run(chosen.work, system, dataset)
            rows[system] = scored(dataset, found["ranking"])  # type: ignore[arg-type]
            seconds = {name: round(float(found[name]), 1) for name in ("store_s", "ask_s")}  # type: ignore[arg-type]
            report["sets"][dataset.name][system] = figures(rows[system]) | seconds
            chosen.out.write_text(json.dumps(report, indent=1) + "\n")
            print(dataset.name, system, figures(rows[system])["recall@10"], seconds, flush=True)
        ids = tuple(query.id for query in dataset.queries)
        write_questions(Report(dataset.name, ids, rows), chosen.out)


if __name__ == "__main__":
    main()
