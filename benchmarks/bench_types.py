"""How fast the packaged model is read and speaks, by the type of its matrices.

    python -m benchmarks.bench_types --out benchmarks/results/types.json

llama.cpp's own quantiser makes the others from the packaged Q4_1 file. In turn, `--repeat` times:
256 tokens are read in one pass, then 32 are evaluated one by one, as in generating.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.environment import environment, show
from benchmarks.texts import mixed_texts
from lmort_memory import Backbone
from lmort_memory.backbone import TokenSequence, default_model_path
from tests.support.quantised import requantise

TYPES = ("Q8_0", "F16", "Q6_K", "Q4_K_M", "Q4_0")
READ, SPOKEN, WINDOW = 256, 32, 320


def once(sequence: TokenSequence, tokens: list[int]) -> tuple[float, float]:
    """Return tokens/s of reading and milliseconds a token of generating."""
    sequence.sync([])
    began = time.perf_counter()
    sequence.extend(tokens[:READ], logits=False)
    read = time.perf_counter()
    for token in tokens[READ : READ + SPOKEN]:
        sequence.extend([token], logits=True)
    return READ / (read - began), 1e3 * (time.perf_counter() - read) / SPOKEN


def rounds(paths: dict[str, Path], repeat: int) -> dict[str, list[tuple[float, float]]]:
    """Take every file in turn; the first round is not counted."""
    with ExitStack() as stack:
        opened = {
            name: stack.enter_context(Backbone.open(path)).open_sequence(n_ctx=WINDOW)
            for name, path in paths.items()
        }
        with Backbone.open(default_model_path()) as backbone:
            tokens = list(backbone.prompts.tokenize(" ".join(mixed_texts(60))))
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in paths}
        for number in range(repeat + 1):
            for name, sequence in opened.items():
                taken = once(sequence, tokens)
                found[name] += [taken] if number else []
    return found


def main() -> None:
    """Measure; print, or write, the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    report = environment("benchmarks.bench_types")
    with tempfile.TemporaryDirectory() as folder:
        paths = {"Q4_1, as it is packaged": default_model_path()}
        for name in TYPES:
            paths[name] = requantise(Path(folder) / f"{name}.gguf", name)
        found = rounds(paths, chosen.repeat)
        report["types"] = {
            name: {
                "bytes": path.stat().st_size,
                "read_tokens_per_s": [round(read) for read, _ in found[name]],
                "ms_per_token": [round(spoken, 2) for _, spoken in found[name]],
                "read_median": round(statistics.median(read for read, _ in found[name])),
            }
            for name, path in paths.items()
        }
    show(report, chosen.out)


if __name__ == "__main__":
    main()
