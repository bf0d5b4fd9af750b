"""How good the estimate "is the answer stored?" is on the development sets, with its curve.

    python -m benchmarks.bench_likelihood --data DATA/eval --work WORK \
      --out benchmarks/results/likelihood.json --curve docs/images/likelihood.png

LoCoMo's turns are stored with the vectors of their session's own pass, one scope a conversation.
Its questions are asked of their own conversation (stored), of the next one (not stored), and those
of category 5, which nobody can answer, of their own. Of XQuAD every other paragraph is stored, and
questions about all of them are asked.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.environment import environment
from lmort_memory import Encoded, Memory, Turn
from lmort_memory.encoder.artifact import read_artifact
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.memory.evidence import DEPTH
from lmort_memory.tuners.evaluate.beir import EvalSet, load_set
from lmort_memory.tuners.evaluate.set_states import in_context, set_vectors

THRESHOLDS = (0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7)
SPACED = 3  # of XQuAD's questions every third


def asked(memory: Memory, texts: Sequence[str], scope: str) -> np.ndarray:
    """The estimate for each question, float64 (n,)."""
    return np.array(
        [
            memory.likelihood(t, memory.recall(t, top_k=DEPTH, scope=scope, explain=True))
            for t in texts
        ]
    )


def store_locomo(memory: Memory, dataset: EvalSet, work: Path, tuner: Path) -> None:
    states = in_context(work, memory.backbone, dataset, layers=memory.encoder.layers)
    text_of = memory.backbone.vocabulary.detokenize
    vectors = set_vectors(Tuner(read_artifact(tuner), text_of), states)
    for number, document in enumerate(dataset.documents):
        own = vectors.documents[vectors.owners == number]
        spans = tuple((0, len(document.text)) for _ in own)
        turn = Turn(document.text, scope=document.fields["conversation"])
        memory.add(turn, session=str(document.fields["session"]), encoded=Encoded(own, spans))


def unanswerable(folder: Path) -> list[tuple[str, str]]:
    """Category 5: question and conversation."""
    with gzip.open(folder / "queries.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    return [(row["text"], row["conversation"]) for row in rows if row["category"] == 5]


def locomo(memory: Memory, folder: Path, work: Path, tuner: Path) -> dict[str, np.ndarray]:
    dataset = load_set(folder)
    store_locomo(memory, dataset, work / "locomo_dev", tuner)
    scopes = list(dict.fromkeys(d.fields["conversation"] for d in dataset.documents))
    found: dict[str, list[np.ndarray]] = {"own": [], "other": [], "unanswerable": []}
    adversarial = unanswerable(folder)
    for number, scope in enumerate(scopes):
        texts = [q.text for q in dataset.queries if q.fields["conversation"] == scope]
        found["own"].append(asked(memory, texts, scope))
        found["other"].append(asked(memory, texts, scopes[(number + 1) % len(scopes)]))
        five = [text for text, conversation in adversarial if conversation == scope]
        found["unanswerable"].append(asked(memory, five, scope))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def xquad(memory: Memory, folder: Path) -> dict[str, np.ndarray]:
    dataset = load_set(folder)
    stored = {document.id for document in dataset.documents[::2]}
    memory.add_many((d.text for d in dataset.documents if d.id in stored), scope="xquad")
    queries = dataset.queries[::SPACED]
    p = asked(memory, [query.text for query in queries], "xquad")
    there = np.array([bool(stored & dataset.qrels[query.id].keys()) for query in queries])
    return {"stored": p[there], "not_stored": p[~there]}


def curve(p: np.ndarray, stored: np.ndarray, bins: int = 8) -> list[dict[str, float]]:
    """Mean estimate and observed share in bins of as many questions each."""
    order = np.argsort(p)
    return [
        {
            "estimate": float(p[part].mean()),
            "observed": float(stored[part].mean()),
            "n": len(part),
        }
        for part in np.array_split(order, bins)
    ]


def judged(yes: np.ndarray, no: np.ndarray) -> dict:
    p = np.concatenate([yes, no])
    stored = np.concatenate([np.ones(len(yes)), np.zeros(len(no))])
    return {
        "brier": float(((p - stored) ** 2).mean()),
        "brier_of_always_half": 0.25,
        "auc": float((yes[:, None] > no[None, :]).mean()),
        "curve": curve(p, stored),
    }


def rates(found: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Share of the questions of each kind for which the chat would inject something."""
    return {
        name: {str(least): float((p >= least).mean()) for least in THRESHOLDS}
        for name, p in found.items()
    }


def draw(sets: dict[str, dict], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(4.5, 5.2), layout="constrained")
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--", label="perfect")
    for (name, one), mark in zip(sets.items(), "os", strict=True):
        points = one["curve"]
        axes.plot(
            [point["estimate"] for point in points],
            [point["observed"] for point in points],
            marker=mark,
            label=f"{name} (Brier {one['brier']:.2f})",
        )
    axes.set(xlabel="estimate that the answer is stored", ylabel="share stored", xlim=(0, 1))
    axes.set(ylim=(0, 1), aspect="equal")
    figure.legend(frameon=False, loc="outside lower center")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="cached states of `tuner eval`")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--tuner", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--curve", type=Path)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory.open(Path(folder) / "m.db", model=options.model, tuner=options.tuner) as memory,
    ):
        turns = locomo(memory, options.data / "locomo_dev", options.work, options.tuner)
        passages = xquad(memory, options.data / "xquad_en")
        calibration = memory.encoder.provenance.get("likelihood")
    sets = {
        "LoCoMo, own and other conversation": judged(turns["own"], turns["other"]),
        "XQuAD, half stored": judged(passages["stored"], passages["not_stored"]),
    }
    result = {
        **environment("benchmarks.bench_likelihood"),
        "calibration": calibration,
        "sets": sets,
        "injection_rate": {"locomo": rates(turns), "xquad": rates(passages)},
        "questions": {name: len(p) for name, p in {**turns, **passages}.items()},
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: result[k] for k in ("sets", "injection_rate", "questions")}, indent=1))
    if options.curve is not None:
        draw(sets, options.curve)


if __name__ == "__main__":
    main()
