"""What a vector costs beside the pass that made its states: tuner against prefill, in one run.

python -m benchmarks.bench_tuner [--model M.gguf] [--tokens 40] [--rounds 30] [--out FILE]

Alternates the two, on one thread each and on all, so that a busy moment hits both. Prints JSON:
medians in milliseconds, and the ratio that issue "Default tuner" wants below 0.1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

TEXT = "My sister Ada keeps bees in Trondheim and sells the honey at the market there. " * 8


def measure(model: str | None, n_tokens: int, rounds: int) -> dict[str, object]:
    """Time prefill, capture with early exit, and the tuner on the same tokens."""
    from lmort_memory.backbone import Backbone, fast_default_path
    from lmort_memory.encoder.lmort import Tuner
    from lmort_memory.encoder.pretrained import find_tuner

    threads = int(os.environ["OMP_NUM_THREADS"])
    with Backbone.open(model or fast_default_path(), n_threads=threads) as backbone:
        path = find_tuner(backbone.fingerprint)
        if path is None:
            raise SystemExit("no tuner ships for this model")
        tuner = Tuner.load(path)
        tokens = backbone.prompts.tokenize(TEXT)[:n_tokens]
        times: dict[str, list[float]] = {"prefill": [], "capture": [], "tuner": []}
        last = backbone.facts.n_layer - 1
        for _ in range(rounds):
            timed(times["prefill"], lambda: backbone.states_of_tokens(tokens, (last,)))
            states = timed(
                times["capture"], lambda: backbone.states_of_tokens(tokens, tuner.layers)
            )
            timed(times["tuner"], lambda s=states: tuner.encode(s))
        found = {name: round(1000 * median(values), 3) for name, values in times.items()}
        return {
            "model": backbone.facts.name,
            "quantisation": backbone.facts.quantisation,
            "tokens": len(tokens),
            "threads": threads,
            "median_ms": found,
            "tuner_to_prefill": round(found["tuner"] / found["prefill"], 4),
            "tuner_to_capture": round(found["tuner"] / found["capture"], 4),
        }


def timed(times: list[float], call):
    """Call, and note how long it took."""
    start = time.perf_counter()
    result = call()
    times.append(time.perf_counter() - start)
    return result


def main() -> None:
    """Measure in child processes: thread pools are set up once in a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", action="store_true")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.model, options.tokens, options.rounds)))
        return
    results = []
    for threads in sorted({1, os.cpu_count() or 1}):
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        environment["OPENBLAS_NUM_THREADS"] = str(threads)
        child = subprocess.run(
            [sys.executable, "-m", "benchmarks.bench_tuner", "--child", *sys.argv[1:]],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        results.append(json.loads(child.stdout.splitlines()[-1]))
    text = json.dumps(results, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
