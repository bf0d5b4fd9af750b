"""Llama2Vec's pretext tasks with a frozen model: what they add to vectors of layers as they are.

    python -m benchmarks.bench_pretext --text DATA/text/handbook_18f.jsonl.gz --text … \
        --model M.gguf --sets EVAL_DATA --work WORK --out benchmarks/results/pretext.json

The first `--each` paragraphs of every file are the notes of a user, in their order. The at-once
tuner and what EBAE and EBAR make of it (`tuner make --texts NOTES --unsupervised`) are judged on
the development sets, whichever of them the command would keep.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

from benchmarks.environment import environment, silent
from lmort_memory.backbone import Backbone
from lmort_memory.encoder.artifact import Artifact
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.untrained import AT_ONCE, make_untrained
from lmort_memory.tuners.evaluate.beir import load_set
from lmort_memory.tuners.evaluate.report import evaluate
from lmort_memory.tuners.evaluate.set_states import alone, set_vectors
from lmort_memory.tuners.make.pretext import UNSUPERVISED, NoteMaker, read_notes

SETS = {"locomo_dev": "recall@10", "xquad_en": "ndcg@10"}


def write_notes(files: list[Path], each: int, folder: Path) -> None:
    """Write the first paragraphs of every source as a note."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for _, line in zip(range(each), lines, strict=False)]
        (folder / f"{path.name.split('.')[0]}.md").write_text("\n\n".join(texts))


def figures(artifact: Artifact, backbone: Backbone, data: Path, work: Path) -> dict[str, float]:
    """Judge the vectors alone, on every set."""
    tuner, found = Tuner(artifact, backbone.vocabulary.detokenize), {}
    for name, metric in SETS.items():
        dataset = load_set(data / name)
        states = alone(work / name, backbone, dataset, layers=tuner.layers)
        rows = evaluate(dataset, {"dense": set_vectors(tuner, states)}).rows
        found[name] = round(float(rows["dense"][metric].mean()), 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, action="append", required=True)
    parser.add_argument("--each", type=int, default=800)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    write_notes(options.text, options.each, options.work / "notes")
    result = environment("benchmarks.bench_pretext") | {"minutes": options.minutes, "rows": {}}
    kept: dict[str, Artifact] = {}

    class Kept(NoteMaker):
        """Keeps what was trained, also where the at-once tuner was better."""

        def _artifact(self, *given: object) -> Artifact:
            kept[UNSUPERVISED] = super()._artifact(*given)
            return kept[UNSUPERVISED]

    with Backbone.open(options.model) as backbone:
        notes = read_notes(options.work / "notes")
        maker = Kept(backbone, notes, options.minutes, options.work)
        made = maker.make(silent)
        kept[AT_ONCE] = make_untrained(backbone)
        result |= {"passages": len(notes.passages), "kept": made.tier}
        for tier, artifact in kept.items():
            judged = made.figures[tier]
            result["rows"][tier] = {
                "kit_mrr": round(judged.mrr, 4),
                "steps": artifact.card.provenance.get("steps", "0"),
                **figures(artifact, backbone, options.sets, options.work / tier),
            }
            print(tier, result["rows"][tier], flush=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
