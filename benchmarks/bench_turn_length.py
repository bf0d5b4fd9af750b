"""What a turn of a chat costs to remember and to recall, by its length, beside a separate embedder.

    python -m benchmarks.bench_turn_length --out benchmarks/results/turn-length.json
    python -m benchmarks.bench_turn_length --model gpt-j.gguf --tuner t.gguf --lengths 10 40 160

For every length, in turn, `--repeat` times: the turn is prefilled without capture (the limit: this
has to be done anyway), and with the tuner's layers captured; the tuner makes its vector; a thousand
notes are recalled by words and vector and the turn is stored. The embedder, all-MiniLM-L6-v2
through torch, reads the text of the turn again; recalling and storing are the same for it. The
pieces are timed one by one, in one process. All of a text's tokens are the model's; the embedder
reads at most 256 of its own. What capture takes is the difference of the fastest runs: those of the
medians is noise of the prefill. Memory is the process's own (RssAnon), read after each part is
there and has worked once on a turn of `--warm` tokens, the longest if not told.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.environment import environment, show
from benchmarks.texts import mixed_texts
from lmort_memory import Backbone, Encoded, Memory
from lmort_memory.backbone import fast_default_path
from lmort_memory.chat import SYSTEM
from lmort_memory.encoder import mean_vector
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.pretrained import shipped_tuners
from lmort_memory.encoder.tuned_encoder import TunedEncoder
from lmort_memory.store import SQLiteStore

T = TypeVar("T")
LENGTHS = (10, 40, 160, 640)
NOTES = 1_000
Times = dict[str, list[float]]


class Bench:
    """A model with two contexts, its tuners, a filled store and the embedder."""

    def __init__(self, model: Path, tuners: Sequence[Path], longest: int, warm: int) -> None:
        self.held: dict[str, float] = {}
        self.tokens: dict[str, int] = {}
        self.backbone = Backbone.open(model)
        self.prefix = self.backbone.prompts.tokenize(SYSTEM)
        room = len(self.prefix) + longest + 32
        self.plain = self.backbone.open_sequence(n_ctx=room)
        self.prefill(self.plain, warm)
        before = own_mib()
        self.encoders = [TunedEncoder(self.backbone, Tuner.load(path)) for path in tuners]
        layers = sorted({layer for encoder in self.encoders for layer in encoder.layers})
        self.capturing = self.backbone.open_sequence(n_ctx=room, layers=layers)
        self.held["second context, kept by the bench"] = own_mib() - before
        states = self.prefill(self.capturing, warm)[1]
        for encoder, path in zip(self.encoders, tuners, strict=True):
            before = own_mib()
            self.encode(encoder, warm, states)
            self.held[f"tuner {path.stem}"] = own_mib() - before + path.stat().st_size / 2**20

    def text(self, length: int) -> tuple[str, list[int]]:
        """Return a text and its first `length` tokens; about as many for the embedder."""
        words = " ".join(mixed_texts(200)).split()
        text = " ".join(words[: max(2, int(length / 1.2))])
        tokens = self.backbone.prompts.tokenize(text)
        while len(tokens) < length:  # a word more at a time, so that text and tokens stay one
            text = " ".join(words[: len(text.split()) + 1])
            tokens = self.backbone.prompts.tokenize(text)
        return text, list(tokens[:length])

    def prefill(self, sequence, length: int) -> tuple[float, np.ndarray]:
        """Evaluate a turn behind the system prompt; return the seconds and the states."""
        _, tokens = self.text(length)
        sequence.sync([0])
        sequence.extend(self.prefix, logits=False)
        return clocked(lambda: sequence.extend(tokens, logits=False))

    def encode(self, encoder: TunedEncoder, length: int, states: np.ndarray) -> Encoded:
        """Make the vector of a turn from its states."""
        text, tokens = self.text(length)
        rows = [self.capturing.layers.index(layer) for layer in encoder.layers]
        return encoder.encode_states(text, tokens, states[rows])


def clocked(job: Callable[[], T]) -> tuple[float, T]:
    """Return how long a job took, and what it returned."""
    began = time.perf_counter()
    found = job()
    return time.perf_counter() - began, found


def own_mib() -> float:
    """Return what this process holds of its own."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def fill(memory: Memory, width: int) -> None:
    """Store notes with random vectors; their texts have the words of the turns."""
    rng = np.random.default_rng(0)
    for number, text in enumerate(mixed_texts(NOTES, seed=1)):
        vector = rng.standard_normal((1, width)).astype(np.float32)
        unit = vector / np.linalg.norm(vector)
        memory.add(f"{text} {number}", encoded=Encoded(unit, ((0, len(text)),)))


def one_turn(
    bench: Bench, memories: Sequence[Memory], embedder: Callable[[str], object], length: int
) -> dict[str, float]:
    """Take every step once for a turn of one length; return seconds by step."""
    text, _ = bench.text(length)
    found = {"prefill": bench.prefill(bench.plain, length)[0]}
    found["prefill, captured"], states = bench.prefill(bench.capturing, length)
    for number, (encoder, memory) in enumerate(zip(bench.encoders, memories, strict=True)):
        made, encoded = clocked(
            lambda encoder=encoder: bench.encode(encoder, length, states)  # type: ignore[misc]
        )
        found[f"tuner {number}"] = made
        vector = mean_vector(encoded)
        found[f"recall {number}"], _ = clocked(
            lambda memory=memory, vector=vector: memory.recall(text, vector=vector, top_k=10)  # type: ignore[misc]
        )
        turn = f"{text} {time.perf_counter_ns()}"
        found[f"store {number}"], _ = clocked(
            lambda memory=memory, encoded=encoded, turn=turn: memory.add(turn, encoded=encoded)  # type: ignore[misc]
        )
    found["embedder"], _ = clocked(lambda: embedder(text))
    return found


def load_embedder(bench: Bench, warm: int) -> Callable[[str], object]:
    """Load all-MiniLM-L6-v2 and note what it holds."""
    before = own_mib()
    from benchmarks.bench_chat import Embedder

    encode = Embedder().encode_query
    encode(bench.text(warm)[0])
    bench.held["embedder"] = own_mib() - before
    return encode


def rounds(
    bench: Bench, folder: Path, lengths: Sequence[int], *, warm: int, repeat: int, budget_s: float
) -> dict[int, Times]:
    """Take all lengths in turn until they have been repeated or the time is up."""
    memories = []
    for number, encoder in enumerate(bench.encoders):
        memories.append(Memory(encoder, SQLiteStore(folder / f"{number}.db")))
        fill(memories[-1], encoder.dim)
    embedder = load_embedder(bench, warm)
    times: dict[int, Times] = {length: {} for length in lengths}
    one_turn(bench, memories, embedder, min(warm, *lengths))
    end = time.monotonic() + budget_s
    for _ in range(repeat):
        for length in lengths:
            for step, taken in one_turn(bench, memories, embedder, length).items():
                times[length].setdefault(step, []).append(taken)
        if time.monotonic() > end:
            break
    for memory in memories:
        memory.close()
    return times


def summary(times: Times) -> dict[str, dict[str, float]]:
    """Return milliseconds: median and extremes of every step, and the sum of what memory adds."""
    found = {
        step: {
            "median_ms": round(1e3 * statistics.median(taken), 2),
            "min_ms": round(1e3 * min(taken), 2),
            "max_ms": round(1e3 * max(taken), 2),
            "runs": len(taken),
        }
        for step, taken in times.items()
    }
    capture = found["prefill, captured"]["min_ms"] - found["prefill"]["min_ms"]
    found["capture"] = {"of_fastest_ms": round(capture, 2)}
    for number in range(sum(step.startswith("tuner") for step in times)):
        tuner, recall, store = (
            found[f"{step} {number}"]["median_ms"] for step in ("tuner", "recall", "store")
        )
        again = found["embedder"]["median_ms"]
        found[f"added {number}"] = {
            "one_pass_ms": round(max(capture, 0) + tuner + recall + store, 2),
            "embedder_ms": round(again + recall + store, 2),
        }
    return found


def main() -> None:
    """Measure one model; print, or write, the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--tuner", type=Path, action="append", dest="tuners")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--warm", type=int)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--budget", type=float, default=150, help="no round begins after so long")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    report = environment("benchmarks.bench_turn_length")
    tuners = chosen.tuners or [shipped_tuners()[0]]
    warm = chosen.warm or max(chosen.lengths)
    model = chosen.model or fast_default_path()
    bench = Bench(model, tuners, max(chosen.lengths), warm)
    with tempfile.TemporaryDirectory() as folder:
        times = rounds(
            bench,
            Path(folder),
            chosen.lengths,
            warm=warm,
            repeat=chosen.repeat,
            budget_s=chosen.budget,
        )
    report["warm"] = warm
    report["model"], report["tuners"] = model.name, [path.name for path in tuners]
    report["held_mib"] = {name: round(mib, 1) for name, mib in bench.held.items()}
    report["lengths"] = {length: summary(taken) for length, taken in times.items()}
    show(report, chosen.out)


if __name__ == "__main__":
    main()
