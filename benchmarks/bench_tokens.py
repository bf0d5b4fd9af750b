"""Late interaction: the prototype, and what the size of a token's code is worth. By hand.

    python -m benchmarks.bench_tokens --set DATA/eval/xquad_en --work FOLDER \
        --out benchmarks/results/tokens.json

The prototype compares the tuner's own directions, in floats, weighted by the idf of the set's
tokens, and adds half a standard deviation of it to one of the cosine. The codes are those of the
map in closed form and, as "trained", of the map that ships; they are fused as the product does. The
work folder is that of `bench_quality`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.environment import environment
from lmort_memory.backbone import Backbone, fast_default_path
from lmort_memory.encoder.artifact import read_artifact
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.pretrained import shipped_tuners
from lmort_memory.encoder.token_fit import with_tokens
from lmort_memory.encoder.token_map import TokenMap
from lmort_memory.tuners.evaluate.beir import EvalSet, load_set
from lmort_memory.tuners.evaluate.metrics import score_run
from lmort_memory.tuners.evaluate.report import (
    answered,
    coverages,
    dense_scores,
    fuse,
    lexical_scores,
)
from lmort_memory.tuners.evaluate.set_states import SetStates, alone, set_vectors
from lmort_memory.tuners.make.tokens import token_sample

Floats = NDArray[np.float32]
CODES = ((384, 32), (128, 32), (64, 32), (128, 4), (64, 4), (128, 2), (256, 1), (128, 1), (64, 1))
SHOWN = ("recall@1", "recall@10", "ndcg@10")
TURN = 40  # tokens
STEP = {2: 0.9957, 4: 0.335}  # of the best uniform quantiser of a Gaussian (Max 1960)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Vectors of the tokens of a set: of each document's chunks, and of each query."""

    documents: list[list[Floats]]
    queries: list[Floats]
    weights: list[Floats]


def mapped(token_map: TokenMap, states: SetStates, dims: int, bits: int) -> Tokens:
    """Map every token, and keep so many dimensions in so many bits of the documents'."""
    documents: list[list[Floats]] = [[] for _ in range(int(states.parts[-1, 0]) + 1)]
    for owner, entry, start, stop in states.parts:
        vectors = token_map.vectors(states.documents.get(int(entry)))[start:stop, :dims]
        documents[owner].append(unit(rounded(vectors, bits)))
    asked = [token_map.asked([one]) for one in _questions(states)]
    queries = [unit(one.vectors[:, :dims]) for one in asked]
    return Tokens(documents, queries, [one.weights for one in asked])


def _questions(states: SetStates) -> Iterator:
    for entry in np.flatnonzero(np.diff(states.asked, prepend=-1)):
        yield states.queries.get(int(entry))  # of a long query its first chunk


def unit(vectors: Floats) -> Floats:
    """Give each row unit length."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def rounded(vectors: Floats, bits: int) -> Floats:
    """Round to so many bits a number, on one scale for all."""
    if bits == 1:
        return np.where(vectors > 0, 1, -1).astype(np.float32)
    if bits == 32:
        return vectors
    step, half = STEP[bits] * vectors.std(), 2 ** (bits - 1)
    return (np.clip(np.floor(vectors / step), -half, half - 1) + 0.5).astype(np.float32)


def compared(tokens: Tokens, wanted: NDArray[np.bool_]) -> Floats:
    """Mean of each query's nearest tokens in each wanted document; -inf elsewhere."""
    scores = np.full(wanted.shape, -np.inf, dtype=np.float32)
    for row, (query, weights) in enumerate(zip(tokens.queries, tokens.weights, strict=True)):
        columns = np.flatnonzero(wanted[row])
        chunks = [chunk for i in columns for chunk in tokens.documents[i]]
        starts = np.cumsum([0, *(len(chunk) for chunk in chunks[:-1])])
        nearest = np.maximum.reduceat(np.concatenate(chunks) @ query.T, starts, axis=0) @ weights
        first = np.cumsum([0, *(len(tokens.documents[i]) for i in columns[:-1])])
        scores[row, columns] = np.maximum.reduceat(nearest, first)
    return scores


def figures(dataset: EvalSet, scores: Floats) -> dict[str, float]:
    """Judge a ranking."""
    judged = score_run(dataset, scores.astype(np.float32))
    return {name: round(float(judged[name].mean()), 4) for name in SHOWN}


def prototype(dataset: EvalSet, states: SetStates, tuner: Tuner, dense: Floats) -> dict[str, float]:
    """Own directions in floats, centred, weighted by idf: z(cosine) + 0.5 z(MaxSim)."""
    artifact = read_artifact(shipped_tuners()[0])
    layers, weights = tuner.config.own_layers, artifact.weights

    def project(one) -> Floats:
        parts = [
            (one.layer(k) - weights[f"stats.{k}.mean"]) / weights[f"stats.{k}.std"] for k in layers
        ]
        return np.concatenate(parts, axis=1) @ weights["own.weight"].T

    documents: list[list[Floats]] = [[] for _ in dataset.documents]
    for owner, entry, start, stop in states.parts:
        documents[owner].append(project(states.documents.get(int(entry)))[start:stop])
    middle = np.concatenate([chunk for own in documents for chunk in own]).mean(axis=0)
    having: dict[int, int] = {}
    for entry in range(len(states.documents.lengths)):
        for token in set(states.documents.get(entry).tokens):
            having[token] = having.get(token, 0) + 1
    count = len(states.documents.lengths)
    asked = list(_questions(states))
    rare = [
        np.array([np.log((count + 1) / (having.get(token, 0) + 1)) for token in one.tokens])
        for one in asked
    ]
    tokens = Tokens(
        [[unit(chunk - middle) for chunk in own] for own in documents],
        [unit(project(one) - middle) for one in asked],
        [(one / max(one.sum(), 1e-9)).astype(np.float32) for one in rare],
    )
    near = np.isfinite(fuse(dense, None, answered(dataset)[:0]))
    both = standard(dense, near) + 0.5 * standard(compared(tokens, near), near)
    return figures(dataset, np.where(near, both, -np.inf))


def standard(scores: Floats, there: NDArray[np.bool_]) -> Floats:
    """Zero mean and unit deviation of each row."""
    known = np.where(there, scores, np.nan)
    mean = np.nanmean(known, axis=1, keepdims=True)
    return (known - mean) / (np.nanstd(known, axis=1, keepdims=True) + 1e-6)


def main() -> None:
    """Judge every code on every set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, action="append", required=True, dest="sets")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/tokens.json"))
    options = parser.parse_args()
    artifact = read_artifact(shipped_tuners()[0])
    tuner = Tuner(artifact)
    report: dict[str, object] = {
        "environment": environment("benchmarks.bench_tokens"),
        "tuner": tuner.fingerprint,
        "tokens": artifact.card.tokens,
    }
    with Backbone.open(fast_default_path()) as backbone:
        for folder in options.sets:
            dataset = load_set(folder)
            place = options.work / backbone.facts.quantisation / dataset.name
            states = alone(place, backbone, dataset, layers=tuner.layers)
            report[dataset.name] = judged(dataset, states, tuner)
            options.out.write_text(json.dumps(report, indent=1) + "\n")
            print(f"{dataset.name}: done", flush=True)


def judged(dataset: EvalSet, states: SetStates, tuner: Tuner) -> dict[str, object]:
    """Figures of one set: row -> metrics, with the bytes of a turn of forty tokens."""
    artifact = read_artifact(shipped_tuners()[0])
    sample = token_sample(states.documents)  # texts, no judgements: the axes need no more
    closed = Tuner(with_tokens(artifact, sample, bits=384)).token_map
    trained = tuner.token_map
    assert closed is not None
    assert trained is not None
    dense = dense_scores(dataset, set_vectors(tuner, states))
    lexical, turns = lexical_scores(dataset), answered(dataset)
    covered = coverages(dataset, lexical)
    hybrid = fuse(dense, lexical, turns, coverage=covered)
    rows: dict[str, object] = {
        "without tokens": {
            "dense": figures(dataset, dense),
            "hybrid": figures(dataset, hybrid),
            "bytes": 0,
        },
        "prototype": {"dense": prototype(dataset, states, tuner, dense)},
    }
    near, both = np.isfinite(fuse(dense, None, turns[:0])), np.isfinite(hybrid)
    for name, token_map, dims, bits in [
        *(("closed form", closed, *code) for code in CODES),
        ("trained", trained, trained.bits, 1),
    ]:
        tokens = mapped(token_map, states, dims, bits)
        alike = compared(tokens, near | both)
        alone_, all_ = (np.where(there, alike, -np.inf) for there in (near, both))
        rows[f"{name}, {dims} x {bits} bits"] = {
            "dense": figures(dataset, fuse(dense, None, turns[:0], tokens=alone_)),
            "hybrid": figures(dataset, fuse(dense, lexical, turns, tokens=all_, coverage=covered)),
            "bytes": TURN * dims * bits // 8,
        }
    return rows


if __name__ == "__main__":
    main()
