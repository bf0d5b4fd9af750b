"""The paper's three models in their true shapes, end to end, with random weights.

    python -m tests.bench.bench_real_shapes [--shape gpt2-large] [--folder FOLDER] [--out OUT.json]

For each shape: a Hugging Face checkpoint is written, converted, opened; the paper's A and U layers
are captured, a tuner of the paper's shape is trained for a few steps on them, and a chat stores,
recalls and generates. Every stage is a process of its own, and its peak memory is the kernel's.
GPT-J needs 16 GB of memory for the tuner's optimiser and 20 GB of disk. Random weights: times and
sizes mean something, words and ranks do not.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TURNS = (
    "My sister Ada keeps bees in Trondheim.",
    "What shall we cook tonight?",
    "Where does my sister keep her bees?",
)
N_TEXTS, N_STEPS, MAX_TOKENS = 16, 2, 32


@dataclass(frozen=True)
class Shape:
    """Sizes of a checkpoint, and the type that its matrices get."""

    model_type: str
    n_layer: int
    n_embd: int
    n_head: int
    n_positions: int
    vocab_size: int
    type_name: str
    rotary_dim: int | None = None


SHAPES = {
    "gpt2-large": Shape("gpt2", 36, 1280, 20, 1024, 50257, "f16"),
    "gpt2-xl": Shape("gpt2", 48, 1600, 25, 1024, 50257, "f16"),
    "gpt-j-6b": Shape("gptj", 28, 4096, 16, 2048, 50400, "q4_0", rotary_dim=64),
}


def write_checkpoint(shape: Shape, folder: Path) -> dict[str, float]:
    """Write a float16 checkpoint: a pool of normal numbers, read from a new place each time."""
    rng = np.random.default_rng(0)
    pool = rng.standard_normal(1 << 24, dtype=np.float32)
    entries, end = {}, 0
    for name, sizes in tensor_shapes(shape).items():
        begin, end = end, end + 2 * int(np.prod(sizes))
        entries[name] = {"dtype": "F16", "shape": list(sizes), "data_offsets": [begin, end]}
    header = json.dumps(entries).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for name, sizes in tensor_shapes(shape).items():
            left = int(np.prod(sizes))
            scale = 0.2 if len(sizes) == 1 else 0.5 * sizes[-1] ** -0.5
            neutral = 1.0 if re.search(r"ln_\w+\.weight$", name) else 0.0
            while left:
                start = int(rng.integers(len(pool) // 2))
                part = pool[start : start + min(left, len(pool) // 2)]
                file.write((part * scale + neutral).astype(np.float16).data)
                left -= len(part)
    (folder / "config.json").write_text(json.dumps(config(shape)))
    write_tokenizer(folder, shape.vocab_size)
    return {"bytes": end, "parameters": end // 2}


def tensor_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    d, ff, n = shape.n_embd, 4 * shape.n_embd, shape.vocab_size
    out: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (n, d)}
    if shape.model_type == "gpt2":
        out["transformer.wpe.weight"] = (shape.n_positions, d)
    for i in range(shape.n_layer):
        out |= {f"transformer.h.{i}.{name}": size for name, size in block(shape, d, ff).items()}
    out |= {"transformer.ln_f.weight": (d,), "transformer.ln_f.bias": (d,)}
    if shape.model_type == "gptj":
        out |= {"lm_head.weight": (n, d), "lm_head.bias": (n,)}
    return out


def block(shape: Shape, d: int, ff: int) -> dict[str, tuple[int, ...]]:
    out: dict[str, tuple[int, ...]] = {"ln_1.weight": (d,), "ln_1.bias": (d,)}
    if shape.model_type == "gptj":
        out |= {f"attn.{part}_proj.weight": (d, d) for part in ("q", "k", "v", "out")}
        out |= {"mlp.fc_in.weight": (ff, d), "mlp.fc_in.bias": (ff,)}
        return out | {"mlp.fc_out.weight": (d, ff), "mlp.fc_out.bias": (d,)}
    out |= {"ln_2.weight": (d,), "ln_2.bias": (d,)}
    out |= {"attn.c_attn.weight": (d, 3 * d), "attn.c_attn.bias": (3 * d,)}
    out |= {"attn.c_proj.weight": (d, d), "attn.c_proj.bias": (d,)}
    out |= {"mlp.c_fc.weight": (d, ff), "mlp.c_fc.bias": (ff,)}
    return out | {"mlp.c_proj.weight": (ff, d), "mlp.c_proj.bias": (d,)}


def config(shape: Shape) -> dict[str, object]:
    return {
        "model_type": shape.model_type,
        "n_layer": shape.n_layer,
        "n_embd": shape.n_embd,
        "n_head": shape.n_head,
        "n_positions": shape.n_positions,
        "vocab_size": shape.vocab_size,
        "rotary_dim": shape.rotary_dim,
        "layer_norm_epsilon": 1e-5,
    }


def write_tokenizer(folder: Path, n_tokens: int) -> None:
    """Write a vocabulary of bytes and of words that no text is cut into but a reply can be."""
    from lmort_memory.testing.tiny_gguf import byte_vocabulary

    letters = byte_vocabulary()[3:]
    words = [f"Ġw{i}" for i in range(n_tokens - len(letters) - 1)]
    vocab = {token: row for row, token in enumerate([*letters, *words, "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\nĠ w\n", encoding="utf-8")


def convert(shape: Shape, folder: Path) -> dict[str, float]:
    from lmort_memory.backbone.convert import convert as convert_model

    out = convert_model(folder, folder / "model.gguf", type=shape.type_name)
    return {"bytes": out.stat().st_size}


def tune(name: str, folder: Path) -> dict[str, float]:
    """Capture the paper's layers, train the paper's tuner for some steps, write its file."""
    import torch

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder.artifact import write_artifact
    from lmort_memory.tuners.losses import paper_contrastive
    from lmort_memory.tuners.model import Lmort
    from lmort_memory.tuners.pipeline import to_artifact
    from lmort_memory.tuners.recipe import load_recipe, recipe_path
    from tests.bench.texts import mixed_texts

    recipe = load_recipe(recipe_path(name))
    with Backbone.open(folder / "model.gguf") as backbone:
        shape = recipe.config(backbone.n_embd)
        started = time.perf_counter()
        captured = list(backbone.hidden_states(mixed_texts(N_TEXTS), shape.layers, max_tokens=48))
        capture_s = time.perf_counter() - started
    longest = max(len(one.tokens) for one in captured)
    states = torch.zeros(len(shape.layers), N_TEXTS, longest, shape.n_embd)
    mask = torch.zeros(N_TEXTS, longest, dtype=torch.bool)
    for row, one in enumerate(captured):
        states[:, row, : len(one.tokens)] = torch.from_numpy(one.states)
        mask[row, : len(one.tokens)] = True
    model = Lmort(shape)
    flat = states[:, mask].numpy()
    model.set_statistics(
        {k: (rows.mean(axis=0), rows.std(axis=0) + 1e-3)
         for k, rows in zip(shape.layers, flat, strict=True)}
    )  # fmt: skip
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.train.learning_rate)
    third = N_TEXTS // 3
    losses, started = [], time.perf_counter()
    for _ in range(N_STEPS):
        vectors = model(states, mask)
        loss = paper_contrastive(
            vectors[:third], vectors[third : 2 * third], vectors[2 * third : 3 * third, None]
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    train_s = time.perf_counter() - started
    del optimiser, states, vectors, loss
    gc.collect()
    with Backbone.open(folder / "model.gguf") as backbone:
        artifact = to_artifact(model, backbone, {"recipe": name, "data": "none; random weights"})
        write_artifact(folder / "tuner.gguf", artifact)
    return {
        "tuner_parameters": shape.n_parameters,
        "tuner_bytes": (folder / "tuner.gguf").stat().st_size,
        "captured_tokens": int(mask.sum()),
        "capture_s": capture_s,
        "step_s": train_s / N_STEPS,
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }


def talk(folder: Path) -> dict[str, object]:
    """Store, recall and generate in a chat; memory's share is its part of each turn's time."""
    from lmort_memory.chat import Chat, ChatOptions
    from lmort_memory.memory import Memory

    turns = []
    started = time.perf_counter()
    with Memory.open(
        folder / "memory.db", model=folder / "model.gguf", tuner=folder / "tuner.gguf"
    ) as memory:
        open_s = time.perf_counter() - started
        with Chat(memory, options=ChatOptions(n_ctx=1024, max_tokens=MAX_TOKENS)) as chat:
            for text in TURNS:
                started = time.perf_counter()
                reply = chat.say(text)
                "".join(reply)
                total = time.perf_counter() - started
                timings = reply.ledger.timings
                turns.append({
                    "user_tokens": reply.ledger.user_tokens,
                    "reply_tokens": reply.ledger.reply_tokens,
                    "memories": len(reply.ledger.memories),
                    "total_s": total,
                    "prefill_s": timings.prefill_s,
                    "generate_s": timings.generate_s,
                    "memory_share": (timings.recall_s + timings.store_s) / total,
                })  # fmt: skip
        found = [hit.record.text for hit in memory.recall(TURNS[2])]
    return {"open_s": open_s, "turns": turns, "recalls_the_fact": TURNS[0] in found}


def stages(name: str, folder: Path) -> dict[str, Callable[[], dict[str, object]]]:
    shape = SHAPES[name]
    return {
        "write": lambda: dict(write_checkpoint(shape, folder)),
        "convert": lambda: dict(convert(shape, folder)),
        "tune": lambda: dict(tune(name, folder)),
        "talk": lambda: talk(folder),
    }


def run_stage(name: str, folder: Path, stage: str) -> None:
    started = time.perf_counter()
    found = stages(name, folder)[stage]()
    found["seconds"] = time.perf_counter() - started
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    found["peak_bytes"] = int(peak[1]) << 10 if peak else None
    print(json.dumps(found))


def run_shape(name: str, folder: Path) -> dict[str, object]:
    report: dict[str, object] = {}
    for stage in stages(name, folder):
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, "--shape", name, "--folder", folder,
             "--stage", stage],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        report[stage] = json.loads(done.stdout)
        print(f"{name} {stage}: {report[stage]}", file=sys.stderr, flush=True)
        if stage == "convert":
            (folder / "model.safetensors").unlink()
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, help="one shape; all three by default")
    parser.add_argument("--folder", type=Path, help="work here, and leave the files there")
    parser.add_argument("--out", type=Path, help="write the report here too")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage is not None:
        run_stage(options.shape, options.folder, options.stage)
        return
    report = {}
    for name in [options.shape] if options.shape else list(SHAPES):
        with tempfile.TemporaryDirectory() as temporary:
            folder = (options.folder or Path(temporary)) / name
            folder.mkdir(parents=True, exist_ok=True)
            report[name] = run_shape(name, folder)
    text = json.dumps(report, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
