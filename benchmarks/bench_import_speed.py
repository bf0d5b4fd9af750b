"""How fast notes become findable: by words, by meaning; beside plain reading and other embedders.

    python -m benchmarks.minilm_onnx --work DIR
    python -m benchmarks.bench_import_speed --work DIR --out benchmarks/results/import-speed.json

Wants an environment with the group `bench`. In turn, `--repeat` times, on the same notes: the model
reads them with nothing captured and no store (the limit of a whole pass; of some of the notes),
`Memory.add_many` stores them and makes their vectors, all-MiniLM-L6-v2 encodes them through torch
and through onnxruntime (batches of 64, sorted by length, no store), chromadb's default stores and
embeds them. Texts of 10,000 notes are stored once in each round, and asked for by a word. Models
are loaded before and not counted.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.bench_import import sentences
from benchmarks.environment import environment, show
from benchmarks.minilm_onnx import INPUTS, PLACE
from lmort_memory import Backbone, Memory
from lmort_memory.backbone import fast_default_path

MANY = 10_000
BATCH = 64
READ = 4  # one note in so many is read to the last layer
WINDOW = 512


def notes(count: int) -> list[str]:
    """Return notes of one to four sentences of the words of Python's manual."""
    found = []
    for number in range(count):
        chooser = random.Random(number)
        found.append(f"{sentences(chooser, chooser.randint(1, 4))} note{number}")
    return found


class Onnx:
    """all-MiniLM-L6-v2 through onnxruntime, padded to the longest of a batch."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self.session = onnxruntime.InferenceSession(folder / "model.onnx")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(max_length=256)
        self.tokenizer.enable_padding()

    def encode(self, texts: Sequence[str]) -> None:
        """Make the vectors, and drop them."""
        ordered = sorted(texts, key=len)
        for start in range(0, len(ordered), BATCH):
            batch = self.tokenizer.encode_batch(ordered[start : start + BATCH])
            ids = np.array([one.ids for one in batch], dtype=np.int64)
            mask = np.array([one.attention_mask for one in batch], dtype=np.int64)
            given = dict(zip(INPUTS, (ids, mask, np.zeros_like(ids)), strict=True))
            states = self.session.run(None, given)[0]
            pooled = (states * mask[..., None]).sum(1) / mask.sum(1)[:, None]
            pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def read(backbone: Backbone, texts: Sequence[str]) -> int:
    """Evaluate texts to the last layer in windows of tokens; return how many tokens."""
    tokens = [token for text in texts for token in backbone.prompts.tokenize(text)]
    sequence = backbone.open_sequence(n_ctx=WINDOW)
    for start in range(0, len(tokens), WINDOW):
        sequence.sync([])
        sequence.extend(tokens[start : start + WINDOW], logits=False)
    sequence.close()
    return len(tokens)


def ours(memory: Memory, texts: Sequence[str]) -> dict[str, float]:
    """Store, then make the vectors."""
    began = time.perf_counter()
    memory.add_many(texts, defer=True)
    stored = time.perf_counter()
    return {"stored_s": stored - began} | clocked(memory.encode_pending)


def by_words(path: Path, texts: Sequence[str]) -> dict[str, float]:
    """Open, store without a model, ask by a word: after the first batch, and after the last."""
    began = time.perf_counter()
    with Memory.open(path, with_model=False) as memory:
        memory.add_many(texts[:BATCH])
        assert memory.recall("note7")[0].record.text == texts[7]
        first = time.perf_counter()
        memory.add_many(texts[BATCH:])
        assert memory.recall(f"note{len(texts) - 1}")[0].record.text == texts[-1]
    return {"first_hit_s": first - began, "last_hit_s": time.perf_counter() - began}


def chroma(folder: Path, texts: Sequence[str]) -> dict[str, float]:
    """chromadb's PersistentClient with its default embedding function, batches of 64."""
    from benchmarks.peer_child import Chroma

    system = Chroma(folder, embed=None)
    system.add(["warm"], ["a first text, so that the model is loaded"], "all")

    def add() -> None:
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            system.add([str(start + i) for i in range(len(batch))], batch, "all")

    return clocked(add)


def clocked(job: Callable[[], object]) -> dict[str, float]:
    """Return the seconds of a job, by the wall clock and of the processor."""
    began, before = time.perf_counter(), time.process_time()
    job()
    return {
        "vectors_s": time.perf_counter() - began,
        "processor_s": time.process_time() - before,
    }


def rounds(work: Path, count: int, repeat: int, budget_s: float) -> dict[str, list[dict]]:
    """Take every way in turn until all are repeated or the time is up."""
    from lmort_memory.tuners.train.teacher import Teacher

    onnx, teacher, backbone = (
        Onnx(work / "home" / PLACE),
        Teacher(),
        Backbone.open(fast_default_path()),
    )
    texts, many = notes(count), notes(MANY)
    onnx.encode(texts[:BATCH])
    teacher.encode(texts[:BATCH])
    found: dict[str, list[dict]] = {}
    end = time.monotonic() + budget_s
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            few = texts[::READ]
            result = {
                "words": by_words(folder / "words.db", many),
                "limit": clocked(lambda few=few: read(backbone, few)),  # type: ignore[misc]
                "MiniLM, torch": clocked(lambda: teacher.encode(texts)),
                "MiniLM, onnxruntime": clocked(lambda: onnx.encode(texts)),
                "chromadb": chroma(folder / "chroma", texts),
            }
            with Memory.open(folder / "memory.db") as memory:
                result["lmort-memory"] = ours(memory, texts)
        for way, values in result.items():
            found.setdefault(way, []).append(values)
        if time.monotonic() > end:
            break
    sizes = [len(backbone.prompts.tokenize(text)) for text in texts]
    found["tokens"] = [{"all": sum(sizes), "read": sum(sizes[::READ])}]
    return found


def summary(found: dict[str, list[dict]], count: int) -> dict[str, object]:
    """Return texts/s and tokens/s."""
    tokens = found.pop("tokens")[0]
    rows: dict[str, object] = {"notes": count, "tokens": tokens["all"]}
    for way, runs in found.items():
        row: dict[str, object] = {
            step: {
                "median": round(statistics.median(run[step] for run in runs), 3),
                "min": round(min(run[step] for run in runs), 3),
                "max": round(max(run[step] for run in runs), 3),
                "runs": len(runs),
            }
            for step in runs[0]
        }
        if "vectors_s" in runs[0]:
            taken = statistics.median(run["vectors_s"] for run in runs)
            read_tokens = tokens["read" if way == "limit" else "all"]
            row["tokens_per_s"] = round(read_tokens / taken)
            row["texts_per_s"] = round(read_tokens / tokens["all"] * count / taken, 1)
        rows[way] = row
    return rows


def main() -> None:
    """Measure; print, or write, the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--notes", type=int, default=300)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--budget", type=float, default=900, help="no round begins after so long")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    report = environment("benchmarks.bench_import_speed")
    os.environ["HOME"] = str(chosen.work / "home")  # where chromadb looks for its weights
    found = rounds(chosen.work, chosen.notes, chosen.repeat, chosen.budget)
    report |= summary(found, chosen.notes)
    show(report, chosen.out)


if __name__ == "__main__":
    main()
