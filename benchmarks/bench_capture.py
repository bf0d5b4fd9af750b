"""What capturing costs: generation, prefill, early exit. Run by hand on an idle machine.

    python -m benchmarks.bench_capture [--model M.gguf] [--out benchmarks/results/capture.json]

Variants alternate in one process and the ratio of medians is quoted. "off" is a context without
any callback; "c" has the C callback and copies three layers; "portable" has the ctypes callback.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.environment import environment, show
from benchmarks.texts import mixed_texts
from lmort_memory.backbone import Backbone, Sampling, fast_default_path
from lmort_memory.backbone.capture import CCapture, PythonCapture
from lmort_memory.backbone.context import Context, ContextSize
from lmort_memory.backbone.library import llama

LAYERS = (1, 6, 11)
WORDS = "The bees of Trondheim fly over the fjord in the early light of summer. "


class NoCapture(CCapture):
    """A context's baseline: llama.cpp is given no callback at all."""

    def __init__(self) -> None:
        super().__init__()
        self.eval_callback = llama().ggml_backend_sched_eval_callback()
        self.abort_callback = llama().ggml_abort_callback()


VARIANTS: dict[str, Callable[[], CCapture | PythonCapture]] = {
    "off": NoCapture,
    "c": CCapture,
    "portable": PythonCapture,
}


class Bare:
    """One context, driven in the calling thread."""

    def __init__(self, backbone: Backbone, variant: str) -> None:
        size = ContextSize(n_ctx=2048, n_batch=512)
        self._wanted = variant != "off"
        self.context = Context(
            backbone._model, size, n_threads=backbone._n_threads, capture=VARIANTS[variant]()
        )
        if self._wanted:
            self._names = backbone._names.of(LAYERS)
            self.context.capture.want(self._names, exit_after=None)

    def decode(self, tokens: list[int], start: int) -> None:
        positions = range(start, start + len(tokens))
        self.context.decode(tokens, positions, outputs=slice(-1, None))
        if self._wanted:
            np.stack([self.context.rows(name) for name in self._names])

    def prefill(self, tokens: list[int]) -> float:
        self.context.truncate(0, 0)
        began = time.perf_counter()
        self.decode(tokens, 0)
        return time.perf_counter() - began

    def step(self, token: int, position: int) -> float:
        began = time.perf_counter()
        self.decode([token], position)
        return time.perf_counter() - began


@contextmanager
def busy_thread():
    """One Python thread that never lets go of the interpreter lock of its own accord."""
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def alternate(runs: dict[str, Callable[[], float]], repetitions: int) -> dict[str, list[float]]:
    """Call every run in turn, over and over; the first round is not counted."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(repetitions + 1):
        order = list(runs.items())
        for name, run in order if i % 2 else reversed(order):
            seconds = run()
            if i:
                found[name].append(seconds)
    return found


def generate(bare: dict[str, Bare], tokens: list[int], n: int) -> dict[str, list[float]]:
    """Give every context the same tokens one by one, each token to all before the next."""
    for b in bare.values():
        b.prefill(tokens[:64])
    found: dict[str, list[float]] = {name: [] for name in bare}
    for i in range(n):
        order = list(bare.items())
        for name, b in order[i % 3 :] + order[: i % 3]:
            found[name].append(b.step(tokens[i], 64 + i))
    return found


def summary(found: dict[str, list[float]]) -> dict[str, object]:
    """Medians in milliseconds, spread, and each variant's ratio to "off"."""
    median = {name: statistics.median(values) for name, values in found.items()}
    paired = {
        name: statistics.median(a / b for a, b in zip(values, found["off"], strict=True))
        for name, values in found.items()
    }
    return {
        "median_ms": {name: round(value * 1e3, 3) for name, value in median.items()},
        "min_max_ms": {
            name: [round(min(v) * 1e3, 3), round(max(v) * 1e3, 3)] for name, v in found.items()
        },
        "ratio_of_medians": {n: round(v / median["off"], 4) for n, v in median.items()},
        "median_of_paired_ratios": {name: round(value, 4) for name, value in paired.items()},
    }


def capture_cost(backbone: Backbone, repetitions: int) -> dict[str, object]:
    tokens = backbone.prompts.tokenize(WORDS * 60)
    bare = {name: Bare(backbone, name) for name in VARIANTS}
    result: dict[str, object] = {}
    try:
        for n in (40, 256, 512):
            runs = {name: lambda b=b, n=n: b.prefill(tokens[:n]) for name, b in bare.items()}
            result[f"prefill_{n}"] = summary(alternate(runs, repetitions))
        result["generate"] = summary(generate(bare, tokens, 40 * repetitions))
        with busy_thread():
            result["generate_busy_thread"] = summary(generate(bare, tokens, 8 * repetitions))
    finally:
        for b in bare.values():
            b.context.close()
    return result


def early_exit(backbone: Backbone, repetitions: int) -> dict[str, object]:
    """Stand-alone encoding against a plain prefill of as many tokens, both in evaluated tokens."""
    texts = mixed_texts(100)
    plain = Bare(backbone, "off")
    prefix = len(backbone.prompts.prefix)
    lengths = [len(backbone.prompts.tokenize(text)) for text in texts]
    n_tokens = sum(lengths)
    stream = backbone.prompts.tokenize(WORDS * (n_tokens // 10))[: n_tokens + prefix]

    def whole_model() -> float:
        began = time.perf_counter()
        for i in range(0, len(stream), 512):
            part = stream[i : i + 512]
            plain.context.truncate(0, 0)
            plain.context.decode(part, range(len(part)))
        return time.perf_counter() - began

    def encode() -> float:
        began = time.perf_counter()
        for _ in backbone.hidden_states(texts, layers=LAYERS):
            pass
        return time.perf_counter() - began

    found = alternate({"off": whole_model, "encode": encode}, repetitions)
    plain.context.close()
    speed = statistics.median(a / b for a, b in zip(found["off"], found["encode"], strict=True))
    ideal = backbone.n_layer / max(LAYERS)
    return {
        "texts": len(texts),
        "tokens": n_tokens,
        "plain_prefill_tokens_per_s": round(n_tokens / statistics.median(found["off"]), 1),
        "encode_tokens_per_s": round(n_tokens / statistics.median(found["encode"]), 1),
        "encode_texts_per_s": round(len(texts) / statistics.median(found["encode"]), 1),
        "ratio": round(speed, 3),
        "ideal_ratio": round(ideal, 3),
        "share_of_ideal": round(speed / ideal, 3),
        "repetitions": repetitions,
    }


def free_states(backbone: Backbone) -> dict[str, object]:
    """States of a chat's own passes against a separate capture of the same tokens."""
    sequence = backbone.open_sequence(n_ctx=2048, layers=LAYERS)
    tokens = [*backbone.prompts.prefix, *backbone.prompts.tokenize(WORDS * 12)]
    parts = [sequence.extend(tokens[i : i + 50]) for i in range(0, len(tokens), 50)]
    sampler = sequence.sampler(Sampling(temperature=0))
    for _ in range(40):
        tokens.append(sequence.sample(sampler))
        parts.append(sequence.extend(tokens[-1:]))
    sampler.close()
    result = {"same": compare(np.concatenate(parts, axis=1), backbone, tokens)}
    gap = slice(60, 100)
    kept = [*tokens[: gap.start], *tokens[gap.stop :]]
    follow = backbone.prompts.tokenize(WORDS)
    synced = sequence.sync([*kept, *follow])
    after = sequence.extend([*kept, *follow][synced.kept :])
    sequence.close()
    result["after a shift"] = {"moved": synced.moved} | compare(after, backbone, [*kept, *follow])
    return result


def compare(states: np.ndarray, backbone: Backbone, tokens: list[int]) -> dict[str, object]:
    """Differences of the last rows in units of each layer's root mean square, and cosines."""
    expected = backbone.states_of_tokens(tokens, LAYERS).states[:, -states.shape[1] :]
    rms = np.sqrt(np.square(expected).mean(axis=(1, 2), keepdims=True))
    error = np.abs(states - expected) / rms
    pooled, reference = states.mean(axis=1), expected.mean(axis=1)
    cosine = (pooled * reference).sum(1) / (
        np.linalg.norm(pooled, axis=1) * np.linalg.norm(reference, axis=1)
    )
    return {
        "layers": list(LAYERS),
        "largest": [round(float(value), 5) for value in error.max(axis=(1, 2))],
        "mean": [round(float(value), 6) for value in error.mean(axis=(1, 2))],
        "cosine_of_means": [round(float(value), 6) for value in cosine],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, action="append")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/capture.json"))
    parser.add_argument("--repetitions", type=int, default=15)
    options = parser.parse_args()
    report = environment("benchmarks.bench_capture")
    report["layers"] = list(LAYERS)
    for path in options.model or [fast_default_path()]:
        with Backbone.open(path) as backbone:
            report[path.name] = {
                "threads": backbone._n_threads,
                "capture": capture_cost(backbone, options.repetitions),
                "early_exit": early_exit(backbone, max(3, options.repetitions // 3)),
                "free_states": free_states(backbone),
            }
    show(report, options.out)


if __name__ == "__main__":
    main()
