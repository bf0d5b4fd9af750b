"""Does a better model remember better? A tuner for each model, made as a user makes it. By hand.

    python -m benchmarks.bench_models --model gemma270.gguf --model qwen05.gguf \\
        --set DATA/eval/locomo_dev --set DATA/eval/xquad_en --work WORK \\
        --quality benchmarks/results/quality.json --out benchmarks/results/models.json

Runs `lmort-mem tuner make` and `lmort-mem tuner eval` for one model after the other, each in a
process of its own whose time and largest memory are measured. The figures of MiniLM and of the
tuner that ships are those of `--quality`, whose rows have the same words, fusion and judgements.
Models that the output has already stay in it. `benchmarks.plot_models` draws the picture.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environment import environment
from lmort_memory.modelfile.header import read_header

SHOWN = ("recall@1", "recall@10", "ndcg@10")
PEER = {"dense": "dense, MiniLM", "hybrid": "hybrid, MiniLM"}
SHIPPED = {
    "dense": "dense, LMORT",
    "dense_in_context": "dense, LMORT in context",
    "hybrid": "hybrid, LMORT",
    "hybrid_in_context": "hybrid, LMORT in context",
}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed, and what it took."""

    found: dict[str, Any]
    minutes: float
    peak_mb: float


def run(*command: str) -> Ran:
    """Run a command of ours with --json, its progress going to this terminal.

    Raises:
        SystemExit: it failed.
    """
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "lmort_memory.cli", *command, "--json"], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {child.returncode}")
    return Ran(json.loads(printed), (time.monotonic() - began) / 60, usage.ru_maxrss / 1024)


def of_model(model: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Make the tuner of one model and judge it."""
    folder = options.work / model.stem
    tuner = folder / "tuner.gguf"
    folder.mkdir(parents=True, exist_ok=True)
    made = run(
        "tuner", "make", "--model", str(model), "--minutes", str(options.minutes),
        "--work", str(folder / "make"), "--out", str(tuner),
    )  # fmt: skip
    sets = {}
    for folder_of_set in options.sets:
        judged = run(
            "tuner", "eval", "--model", str(model), "--tuner", str(tuner),
            "--data", str(folder_of_set), "--work", str(folder),
        )  # fmt: skip
        sets[folder_of_set.name] = {
            name: {metric: round(values[metric], 4) for metric in SHOWN}
            for name, values in judged.found["rows"].items()
        }
    return {
        "parameters_m": round(read_header(model).n_parameters / 1e6),
        "made": {
            "minutes": round(made.minutes, 1),
            "peak_mb": round(made.peak_mb),
            "told": {k: v for k, v in made.found.items() if not isinstance(v, str) or "/" not in v},
        },
        "sets": sets,
    }


def compared(quality: dict[str, Any], names: dict[str, str], sets: list[str]) -> dict[str, Any]:
    """Return the figures of other rows on the same sets."""
    return {
        name: {
            row: {metric: round(rows[of][metric]["mean"], 4) for metric in SHOWN}
            for row, of in names.items()
            if of in rows
        }
        for name in sets
        if (rows := quality[name]["rows"])
    }


def main() -> None:
    """Make and judge every model, then write the rows of the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, action="append", required=True, dest="models")
    parser.add_argument("--set", type=Path, action="append", required=True, dest="sets")
    parser.add_argument("--quality", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    quality = json.loads(options.quality.read_text())
    names = [one.name for one in options.sets]
    earlier = json.loads(options.out.read_text()) if options.out.exists() else {}
    rows = earlier.get("models", {})
    found = {**environment("benchmarks.bench_models"), "models": rows}
    rows["all-MiniLM-L6-v2"] = {"parameters_m": 22, "sets": compared(quality, PEER, names)}
    rows["SmolLM2-135M, shipped"] = {"parameters_m": 135, "sets": compared(quality, SHIPPED, names)}
    for model in options.models:
        rows[model.stem] = of_model(model.absolute(), options)
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
