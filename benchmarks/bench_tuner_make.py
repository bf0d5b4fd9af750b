"""`tuner make` on a model treated as unknown: recall against texts and time, for the three tiers.

    python -m benchmarks.bench_tuner_make --model smollm2-f16.gguf --set DATA/eval/locomo_dev \\
        --set DATA/eval/xquad_en --work WORK --out benchmarks/results/tuner_make.json

The layers are chosen by the kit; states of kit and sets are cached in WORK, so that it can be
stopped and run again. "minutes" is the time for reading the texts up to the upper layer, measured
in this run, plus that of fitting or training; of cached states the time of the first run is kept.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from benchmarks.environment import environment, silent
from lmort_memory.backbone import Backbone
from lmort_memory.encoder.artifact import Artifact
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.kit import load_kit, load_pairs
from lmort_memory.tuners.evaluate.beir import EvalSet, load_set
from lmort_memory.tuners.evaluate.metrics import bootstrap_interval
from lmort_memory.tuners.evaluate.report import evaluate
from lmort_memory.tuners.evaluate.set_states import SetStates, alone, set_vectors
from lmort_memory.tuners.make.maker import Maker

TEXTS = (100, 300, 1000, 3000)
SHOWN = ("recall@10", "ndcg@10")


def figures(
    artifact: Artifact, backbone: Backbone, sets: list[tuple[EvalSet, SetStates]]
) -> dict[str, object]:
    """Judge a tuner on every set."""
    tuner = Tuner(artifact, backbone.vocabulary.detokenize)
    result: dict[str, object] = {}
    for dataset, states in sets:
        rows = evaluate(dataset, {"dense": set_vectors(tuner, states)}).rows
        result[dataset.name] = {
            row: {
                metric: [
                    round(float(values[metric].mean()), 4),
                    *bootstrap_interval(values[metric]),
                ]
                for metric in SHOWN
            }
            for row, values in rows.items()
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--set", type=Path, action="append", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--train-s", type=float, default=120.0)
    parser.add_argument("--texts", type=int, nargs="*", default=TEXTS)
    parser.add_argument("--pairs", type=int, default=0, help="pairs for the own directions")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = []
    with Backbone.open(given.model) as backbone:
        pairs = load_pairs()[: given.pairs]
        maker = Maker(backbone, load_kit(), minutes=60, work=given.work / "most", pairs=pairs)
        most = maker.with_layers(maker.plan(), silent)
        most = replace(most, n_fit=max(given.texts), n_held_out=384, n_pairs=given.pairs)
        sets = [
            (d, alone(given.work / "sets" / d.name, backbone, d, layers=most.layers))
            for d in map(load_set, given.set)
        ]
        for count in given.texts:
            train_s = given.train_s if count >= min(1000, max(given.texts)) else 0.0
            plan = replace(most, n_fit=count, train_s=train_s)
            tiers, _ = replace(maker, work=given.work / str(count)).tiers(plan, silent)
            for name, tier in tiers.items():
                minutes = (plan.seconds_per_text * count + tier.seconds) / 60
                row = {"texts": count, "tier": name, "minutes": round(minutes, 2)}
                rows.append({**row, "sets": figures(tier.artifact, backbone, sets)})
                print(json.dumps(rows[-1]), flush=True)
    result = {**environment("benchmarks.bench_tuner_make"), "layers": most.layers, "rows": rows}
    given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
