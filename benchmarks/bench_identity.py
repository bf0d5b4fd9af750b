"""One model in many quantisations: identity, and how far its vectors move. By hand.

    python -m benchmarks.bench_identity [--out benchmarks/results/identity.json]
        [--set DATA/eval/locomo_dev --states FOLDER]

For each type: the fingerprint, the largest relative distance of a kind of matrix in the sketch to
F32, whether the sketches agree, and the cosine between the vectors that the shipped tuner makes of
the same texts with this file and with the packaged one. Then the same for merged random LoRAs.

With `--set DIR --states FOLDER` also what a change of type costs a store: recall@10 of the set's
queries, encoded with each type, against documents encoded once, with F16. It decides whether
quantisations of one model share a space.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path

import numpy as np
from tuners.beir import EvalSet, load_set
from tuners.metrics import score_run
from tuners.set_states import alone, set_vectors

from benchmarks.texts import mixed_texts
from lmort_memory.backbone import Backbone, default_model_path
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.pretrained import shipped_tuners
from lmort_memory.modelfile.facts import read_header
from lmort_memory.modelfile.fingerprint import fingerprint
from lmort_memory.modelfile.sketch import Sketch, sketch
from tests.support.quantised import FILE_TYPES, merge_random_lora, requantise
from tuners.evaluate import SetVectors, dense_scores

LORA_SIZES = (0.01, 0.03, 0.1)
N_TEXTS = 60


def distance(a: Sketch, b: Sketch) -> float:
    """Largest relative distance over the kinds of matrices."""
    found = []
    for mine, theirs in zip(a.parts, b.parts, strict=True):
        x, y = mine.values.astype(np.float64), theirs.values.astype(np.float64)
        size = math.sqrt(math.sqrt((x**2).sum() * (y**2).sum()))
        found.append(math.sqrt(((x - y) ** 2).sum()) / size)
    return max(found)


def vectors(path: Path, tuner: Tuner) -> np.ndarray:
    """Vectors of the same texts with this file's states, whatever its identity."""
    with Backbone.open(path) as backbone:
        return tuner.encode_batch(
            list(backbone.hidden_states(mixed_texts(N_TEXTS), tuner.layers, max_tokens=128))
        )


def row(path: Path, references: dict[str, Sketch], base: np.ndarray, tuner: Tuner) -> dict:
    header = read_header(path)
    own = sketch(header)
    cosine = (vectors(path, tuner) * base).sum(axis=1)
    return {
        "fingerprint": fingerprint(header),
        "sketch_distance_to_F32": round(distance(own, references["F32"]), 4),
        "agrees_with": {name: own.agrees(other) for name, other in references.items()},
        "vector_cosine_to_packaged": {
            "mean": round(float(cosine.mean()), 5),
            "min": round(float(cosine.min()), 5),
        },
    }


def mixed_recall(
    paths: dict[str, Path], tuner: Tuner, dataset: EvalSet, folder: Path
) -> dict[str, float]:
    """Recall@10 of queries of each file against the documents of the F16 file."""
    with Backbone.open(paths["F16"]) as backbone:
        states = alone(folder, backbone, dataset, layers=tuner.layers)
    base = set_vectors(tuner, states)
    texts = [query.text for query in dataset.queries]
    found = {}
    for name, path in paths.items():
        with Backbone.open(path) as backbone:
            queries = tuner.encode_batch(
                list(backbone.hidden_states(texts, tuner.layers, max_tokens=128))
            )
        scores = dense_scores(dataset, SetVectors(base.documents, base.owners, queries))
        found[name] = round(float(score_run(dataset, scores)["recall@10"].mean()), 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--set", type=Path)
    parser.add_argument("--states", type=Path, help="folder for the states of the set")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/identity.json"))
    options = parser.parse_args()
    tuner = Tuner.load(shipped_tuners()[0])
    packaged = default_model_path()
    base = vectors(packaged, tuner)
    with tempfile.TemporaryDirectory() as folder:
        paths = {"packaged Q4_1": packaged}
        for kind in FILE_TYPES:
            paths[kind] = requantise(Path(folder) / f"{kind}.gguf", kind)
        for size in LORA_SIZES:
            out = Path(folder) / f"lora-{size}.gguf"
            paths[f"F32 + LoRA of {size:.0%}"] = merge_random_lora(paths["F32"], out, size=size)
        chosen = ("F32", "Q8_0", "Q4_0")
        references = {name: sketch(read_header(paths[name])) for name in chosen}
        report = {name: row(path, references, base, tuner) for name, path in paths.items()}
        if options.set:
            recalls = mixed_recall(paths, tuner, load_set(options.set), options.states)
            for name, value in recalls.items():
                report[name]["recall_at_10_against_F16_documents"] = value
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
