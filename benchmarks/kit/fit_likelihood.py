"""Fit how likely it is that an answer is stored, and write the numbers into a tuner's file.

    python -m benchmarks.kit.fit_likelihood TUNER --model MODEL --data DATA/pairs

Half of each source's passages are stored; its questions, about either half, are asked through
`Memory.recall`, as a chat does. The logistic function of `_likelihood.py` is then fitted to whether
the passage was there. Use sources that the tuner was not trained on. The tuner's weights, and so
its fingerprint and every vector made with it, stay as they are.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.encoder.artifact import Artifact, read_artifact, write_artifact
from lmort_memory.errors import TunerError
from lmort_memory.memory import Memory
from lmort_memory.memory.likelihood import DEPTH, Calibration, evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["ask", "fit", "main", "questions", "rewrite"]

# Not the sources whose questions are headings: many sections fit one, so that its passage says
# little about whether an answer is there (experiment 11 of docs/experiments.md).
SOURCES: Final = ("squad_sentences", "tldr_pages", "til_simonw")
SIZES: Final = (40, 200)  # passages: a young memory, and one where every topic has company
PER_SIZE: Final = 100  # questions of each kind, answered and not
_DECAY: Final = 1e-3  # L2; the features are of order 1, so it only keeps the fit finite


def questions(path: Path, *, seed: int) -> list[tuple[str, str]]:
    """Read pairs of question and passage in a random order, each passage once.

    Raises:
        TunerError: the file is missing or no JSONL of pairs.
    """
    try:
        with gzip.open(path, "rt") as file:
            pairs = [(str(item["query"]), str(item["positive"])) for item in map(json.loads, file)]
    except (OSError, ValueError, KeyError) as error:
        raise TunerError(f"cannot read the pairs {path}: {error} — expected JSONL.gz") from error
    by_passage = {passage: query for query, passage in pairs}
    found = [(query, passage) for passage, query in by_passage.items()]
    order = np.random.default_rng(seed).permutation(len(found))
    return [found[i] for i in order]


def ask(memory: Memory, asked: Sequence[str], *, scope: str) -> Array:
    """Return the evidence of each question, float64 (n, 2): cosine, overlap."""
    rows = []
    for text in asked:
        found = evidence(text, memory.recall(text, top_k=DEPTH, scope=scope, explain=True))
        rows.append((found.cosine, found.overlap))
    return np.array(rows)


def fit(found: Array, stored: Array, *, columns: Sequence[int] = (0, 1)) -> Calibration:
    """Fit the logistic function by Newton's method.

    Args:
        found: Evidence, float64 (n, 2).
        stored: 1 where the answer was stored, else 0; float64 (n,).
        columns: Which of the two to use; the weights of the others are 0.
    """
    inputs = np.column_stack([np.ones(len(found)), found[:, list(columns)]])
    weights = np.zeros(inputs.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (p - stored) + _DECAY * weights
        curve = (inputs * (p * (1 - p))[:, None]).T @ inputs + _DECAY * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    values = dict.fromkeys(range(2), 0.0) | dict(zip(columns, map(float, weights[1:]), strict=True))
    return Calibration(float(weights[0]), values[0], values[1])


def collect(memory: Memory, folder: Path) -> Iterator[tuple[str, Array, Array]]:
    """Yield for each source its name, the evidence of its questions, and whether each is stored."""
    for number, name in enumerate(SOURCES):
        pairs = questions(folder / f"{name}.jsonl.gz", seed=number)
        found, stored = [], []
        for size in SIZES:
            inside, outside = pairs[:size], pairs[size : 2 * size]
            scope = f"{name}/{size}"
            memory.add_many((passage for _, passage in inside), scope=scope)
            for part, label in ((inside[:PER_SIZE], 1.0), (outside[:PER_SIZE], 0.0)):
                found.append(ask(memory, [query for query, _ in part], scope=scope))
                stored.append(np.full(len(part), label))
            pairs = pairs[2 * size :]
        yield name, np.concatenate(found), np.concatenate(stored)


def rewrite(tuner: Path, notes: Mapping[str, str]) -> None:
    """Add notes to a tuner's metadata.

    Raises:
        TunerError: its weights would change: they were not stored as this version stores them.
    """
    artifact = read_artifact(tuner)
    card = replace(artifact.card, provenance={**artifact.card.provenance, **notes})
    with tempfile.TemporaryDirectory(dir=tuner.parent) as folder:
        for matrix_type in ("Q8_0", "F16"):
            new = Path(folder) / tuner.name
            found = write_artifact(new, Artifact(card, artifact.weights), matrix_type=matrix_type)
            if found == artifact.card.fingerprint:
                new.replace(tuner)
                return
    raise TunerError(f"the weights of {tuner} do not survive being written again — train it anew")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, report what every source looks like to a fit on the others, and write the tuner."""
    parser = argparse.ArgumentParser(description="Calibrate 'not in memory' for a tuner.")
    parser.add_argument("tuner", type=Path)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--data", type=Path, required=True, help="folder of SOURCE.jsonl.gz")
    parser.add_argument("--save-evidence", type=Path, default=None, help="keep the evidence, .npz")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory.open(Path(folder) / "m.db", model=options.model, tuner=options.tuner) as memory,
    ):
        parts = list(collect(memory, options.data))
    found = np.concatenate([part[1] for part in parts])
    stored = np.concatenate([part[2] for part in parts])
    calibration, words_only = fit(found, stored), fit(found, stored, columns=(1,))
    for name, own, labels in parts:
        others = [part for part in parts if part[0] != name]
        left_out = fit(
            np.concatenate([part[1] for part in others]),
            np.concatenate([part[2] for part in others]),
        )
        sys.stdout.write(f"{name}: {_report(left_out, own, labels)} (fitted on the others)\n")
    sys.stdout.write(f"all: {_report(calibration, found, stored)}; {calibration.to_text()}\n")
    sys.stdout.write(f"words only: {_report(words_only, found, stored)}; {words_only.to_text()}\n")
    if options.save_evidence is not None:
        np.savez(options.save_evidence, found=found, stored=stored)
    source = f"{len(stored)} questions of {', '.join(SOURCES)}"
    rewrite(options.tuner, {"likelihood": calibration.to_text(), "likelihood_source": source})
    return 0


def _report(calibration: Calibration, found: Array, stored: Array) -> str:
    p = likelihoods(calibration, found)
    right = ((p >= 0.5) == (stored > 0)).mean()
    brier = ((p - stored) ** 2).mean()
    return f"{len(p)} questions, right at 0.5 {right:.3f}, Brier score {brier:.3f}"


def likelihoods(calibration: Calibration, found: Array) -> Array:
    """Return the estimate of each row of evidence, float64 (n,)."""
    weights = np.array([calibration.cosine, calibration.overlap])
    p: Array = 1 / (1 + np.exp(-(calibration.bias + found @ weights)))
    return p


if __name__ == "__main__":
    sys.exit(main())
