"""The paper's three models in their true shapes, end to end, with random weights.

    python -m benchmarks.bench_real_shapes --shape gpt2-large --folder FOLDER \
        --out benchmarks/results/real_shapes.json [--stages write convert tune]

A Hugging Face checkpoint is written, converted, opened; the paper's A and U layers are captured, a
tuner of the paper's shape is trained for a few steps on them, and two chats store, recall and
generate. Every stage is a process of its own, its peak memory is the kernel's, and its result stays
in the folder: the stages that are timed (`read`, `talk`) can follow on an idle machine. GPT-J needs
16 GB of memory for its tuner's optimiser, and 12 GB of disk for the checkpoint. Random weights:
times and sizes mean something, words and ranks do not.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.environment import environment
from benchmarks.texts import mixed_texts
from tests.support.true_shapes import SHAPES, write_byte_tokenizer, write_random

if TYPE_CHECKING:
    import torch

    from lmort_memory.backbone import Backbone
    from lmort_memory.chat import Chat
    from lmort_memory.types import HiddenStates

PAPERS = ("gpt2-large", "gpt2-xl", "gpt-j-6b")
TYPES = {"gpt2-large": "f16", "gpt2-xl": "f16", "gpt-j-6b": "q4_0"}
FIRST_CHAT = (
    "My sister Ada keeps bees in Trondheim.",
    "The boat leaves at nine on Thursdays.",
)
SECOND_CHAT = ("Where does my sister keep her bees?", "And when does the boat leave?")
N_TEXTS = {"gpt2-large": 15, "gpt2-xl": 15, "gpt-j-6b": 6}
N_STEPS, TEXT_TOKENS, REPLY_TOKENS = 3, 48, 32
PREFILL_TOKENS, PREFILL_RUNS = 128, 3


def write(name: str, folder: Path) -> dict[str, object]:
    shape = SHAPES[name]
    size = write_random(shape, folder)
    write_byte_tokenizer(folder, shape.vocab_size)
    return {"bytes": size, "parameters": shape.n_parameters}


def convert(name: str, folder: Path) -> dict[str, object]:
    from lmort_memory.modelfile.convert import convert as convert_model

    out = convert_model(folder, folder / "model.gguf", type=TYPES[name])
    return {"type": TYPES[name], "bytes": out.stat().st_size}


def tune(name: str, folder: Path) -> dict[str, object]:
    """Capture the paper's layers, train the paper's tuner for some steps, write its file."""
    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder.artifact import write_artifact
    from lmort_memory.tuners.train.model import Lmort
    from lmort_memory.tuners.train.pipeline import to_artifact
    from lmort_memory.tuners.train.recipe import load_recipe, recipe_path

    recipe = load_recipe(recipe_path(name))
    with Backbone.open(folder / "model.gguf") as backbone:
        shape = recipe.config(backbone.n_embd)
        texts = mixed_texts(N_TEXTS[name])
        captured = list(backbone.hidden_states(texts, shape.layers, max_tokens=TEXT_TOKENS))
    model = Lmort(shape)
    losses, seconds = train(model, captured, learning_rate=recipe.train.learning_rate)
    with Backbone.open(folder / "model.gguf") as backbone:
        artifact = to_artifact(model, backbone, {"recipe": name, "data": "none; random weights"})
        write_artifact(folder / "tuner.gguf", artifact)
    return {
        "layers": shape.layers,
        "mode": shape.mode,
        "tuner_layers": shape.n_layer,
        "tuner_parameters": shape.n_parameters,
        "tuner_bytes": (folder / "tuner.gguf").stat().st_size,
        "texts": len(captured),
        "tokens": sum(len(one.tokens) for one in captured),
        "steps": N_STEPS,
        "losses": losses,
        "step_s": seconds,
    }


def train(
    model: torch.nn.Module, captured: Sequence[HiddenStates], *, learning_rate: float
) -> tuple[list[float], list[float]]:
    """Take steps of the paper's loss with its optimiser; return loss and seconds of each."""
    import numpy as np
    import torch

    from lmort_memory.tuners.train.losses import paper_contrastive

    states = torch.from_numpy(np.concatenate([one.states for one in captured], axis=1))
    lengths = torch.tensor([len(one.tokens) for one in captured])
    rows = dict(zip(captured[0].layers, states.numpy(), strict=True))
    model.set_statistics({k: (v.mean(axis=0), v.std(axis=0) + 1e-3) for k, v in rows.items()})
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    losses, seconds = [], []
    for _ in range(N_STEPS):
        started = time.perf_counter()
        query, positive, negative = model(states, lengths).chunk(3)
        loss = paper_contrastive(query, positive, negative[:, None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - started)
    optimiser.zero_grad()
    del optimiser, loss
    gc.collect()
    return losses, seconds


def talk(name: str, folder: Path) -> dict[str, object]:
    """Store, recall and generate; memory's share is its part of each turn's time."""
    from lmort_memory.chat import Chat, ChatOptions
    from lmort_memory.memory import Memory

    started = time.perf_counter()
    options = ChatOptions(n_ctx=1024, max_tokens=REPLY_TOKENS, min_likelihood=0.0)
    database, tuner = folder / "memory.db", folder / "tuner.gguf"
    database.unlink(missing_ok=True)
    with Memory.open(database, model=folder / "model.gguf", tuner=tuner) as memory:
        opened_s = time.perf_counter() - started
        turns = []
        for texts in (FIRST_CHAT, SECOND_CHAT):
            with Chat(memory, options=options) as chat:
                turns += [one_turn(chat, text) for text in texts]
        started = time.perf_counter()
        found = [hit.record.text for hit in memory.recall(SECOND_CHAT[0])]
        recall_s = time.perf_counter() - started
        return {
            "open_s": opened_s,
            "turns": turns,
            "memory_share_percent": spread([100 * turn["memory_share"] for turn in turns]),
            "generated_tokens_per_s": spread([turn["reply_tokens_per_s"] for turn in turns]),
            "stored": memory.status().store.records,
            "recall_alone_s": recall_s,
            "recalls_the_fact": FIRST_CHAT[0] in found,
        }


def one_turn(chat: Chat, text: str) -> dict[str, float]:
    started = time.perf_counter()
    reply = chat.say(text)
    said = "".join(reply)
    total = time.perf_counter() - started
    ledger, timings = reply.ledger, reply.ledger.timings
    return {
        "user_tokens": ledger.user_tokens,
        "notes_tokens": ledger.notes_tokens,
        "reply_tokens": ledger.reply_tokens,
        "reply_characters": len(said),
        "memories": len(ledger.memories),
        "evaluated_tokens": ledger.evaluated_tokens,
        "total_s": total,
        "prefill_s": timings.prefill_s,
        "recall_s": timings.recall_s,
        "store_s": timings.store_s,
        "notes_s": timings.notes_s,
        "generate_s": timings.generate_s,
        "reply_tokens_per_s": ledger.reply_tokens / timings.generate_s,
        "memory_share": (timings.recall_s + timings.store_s) / total,
    }


def read(name: str, folder: Path) -> dict[str, object]:
    """Return tokens/s of reading with nothing captured, and of capturing the paper's layers."""
    from lmort_memory.backbone import Backbone

    with Backbone.open(folder / "model.gguf") as backbone:
        return {
            "prefill_tokens_per_s": spread(prefill_speeds(backbone)),
            "captured_tokens_per_s": capture_speed(name, backbone),
        }


def prefill_speeds(backbone: Backbone) -> list[float]:
    tokens = backbone.prompts.tokenize(" ".join(FIRST_CHAT + SECOND_CHAT))[:PREFILL_TOKENS]
    sequence = backbone.open_sequence(n_ctx=512)
    speeds = []
    for _ in range(PREFILL_RUNS):
        sequence.sync([])
        started = time.perf_counter()
        sequence.extend(tokens)
        speeds.append(len(tokens) / (time.perf_counter() - started))
    sequence.close()
    return speeds


def capture_speed(name: str, backbone: Backbone) -> float:
    from lmort_memory.tuners.train.recipe import load_recipe, recipe_path

    layers = load_recipe(recipe_path(name)).config(backbone.n_embd).layers
    started = time.perf_counter()
    found = list(backbone.hidden_states(mixed_texts(4), layers, max_tokens=TEXT_TOKENS))
    return sum(len(one.tokens) for one in found) / (time.perf_counter() - started)


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


STAGES: dict[str, Callable[[str, Path], dict[str, object]]] = {
    "write": write,
    "convert": convert,
    "tune": tune,
    "read": read,
    "talk": talk,
}


def run_stage(name: str, folder: Path, stage: str) -> None:
    """Run one stage in this process and keep what it found."""
    started = time.perf_counter()
    found = STAGES[stage](name, folder)
    found["seconds"] = time.perf_counter() - started
    found["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    found["environment"] = environment(__spec__.name)
    (folder / f"{stage}.json").write_text(json.dumps(found, indent=1))


def report(folder: Path) -> dict[str, object]:
    files = [folder / f"{stage}.json" for stage in STAGES]
    return {path.stem: json.loads(path.read_text()) for path in files if path.exists()}


def main() -> None:
    parser = argparse.ArgumentParser(description="The paper's models in their true shapes.")
    parser.add_argument("--shape", choices=PAPERS, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="12 GB for GPT-J")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--out", type=Path, help="add what was found to this file")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.folder / options.shape
    folder.mkdir(parents=True, exist_ok=True)
    if options.stage is not None:
        run_stage(options.shape, folder, options.stage)
        return
    for stage in options.stages:
        subprocess.run(
            [sys.executable, "-m", __spec__.name, "--shape", options.shape,
             "--folder", options.folder, "--stage", stage],
            check=True,
        )  # fmt: skip
        print((folder / f"{stage}.json").read_text(), flush=True)
        if stage == "convert":
            (folder / "model.safetensors").unlink()
    if options.out is not None:
        known = json.loads(options.out.read_text()) if options.out.exists() else {}
        known[options.shape] = report(folder)
        options.out.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
