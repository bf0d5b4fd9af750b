"""Checkpoints of GPT-2 and GPT-J in their true sizes, with random weights or with none at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from lmort_memory.testing.tiny_gguf import byte_vocabulary

_ITEM_BYTES = {"F16": 2, "F64": 8}


@dataclass(frozen=True)
class Shape:
    """Sizes of a checkpoint; `rotary_dim` and `n_inner` as in its config.json."""

    model_type: str
    n_layer: int
    n_embd: int
    n_head: int
    n_positions: int = 1024
    vocab_size: int = 50257
    rotary_dim: int | None = None
    n_inner: int | None = None

    @property
    def config(self) -> dict[str, object]:
        """What config.json says."""
        sizes = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: size for name, size in sizes.items() if size is not None}

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The tensors of the checkpoint in file order, with their shapes."""
        d, n = self.n_embd, self.vocab_size
        out: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (n, d)}
        if self.model_type == "gpt2":
            out["transformer.wpe.weight"] = (self.n_positions, d)
        block = _gptj_block(self) if self.model_type == "gptj" else _gpt2_block(self)
        for i in range(self.n_layer):
            out |= {f"transformer.h.{i}.{name}": size for name, size in block.items()}
        out |= {"transformer.ln_f.weight": (d,), "transformer.ln_f.bias": (d,)}
        if self.model_type == "gptj":
            out |= {"lm_head.weight": (n, d), "lm_head.bias": (n,)}
        return out

    @property
    def n_parameters(self) -> int:
        """Numbers in all tensors."""
        return sum(map(prod, self.tensors.values()))


SHAPES = {
    "gpt2": Shape("gpt2", 12, 768, 12),
    "gpt2-medium": Shape("gpt2", 24, 1024, 16),
    "gpt2-large": Shape("gpt2", 36, 1280, 20),
    "gpt2-xl": Shape("gpt2", 48, 1600, 25),
    "gpt-j-6b": Shape("gptj", 28, 4096, 16, 2048, 50400, rotary_dim=64),
}


def write_random(shape: Shape, folder: Path) -> int:
    """Write a float16 checkpoint of normal numbers, and return the size of its data in bytes.

    The numbers are drawn once and read from another place for each tensor: memory stays at 100 MB
    and the disk decides how long it takes.
    """
    rng = np.random.default_rng(0)
    pool = rng.standard_normal(1 << 24, dtype=np.float32)
    path, end = _write_header(shape.tensors, folder, dtype="F16")
    with path.open("ab") as file:
        for name, sizes in shape.tensors.items():
            scale = 0.2 if len(sizes) == 1 else 0.5 * sizes[-1] ** -0.5
            neutral = 1.0 if re.search(r"ln_\w+\.weight$", name) else 0.0
            left = prod(sizes)
            while left:
                start = int(rng.integers(len(pool) // 2))
                part = pool[start : start + min(left, len(pool) // 2)]
                file.write((part * scale + neutral).astype(np.float16).data)
                left -= len(part)
    (folder / "config.json").write_text(json.dumps(shape.config))
    return end


def write_sparse(tensors: Mapping[str, tuple[int, ...]], folder: Path, *, dtype: str) -> int:
    """Write weights that are a hole in the file, and return their size in bytes."""
    path, end = _write_header(tensors, folder, dtype=dtype)
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + end)
    return end


def write_byte_tokenizer(folder: Path, n_tokens: int) -> None:
    """Write a vocabulary of bytes and of words that no text is cut into but a reply can be."""
    letters = byte_vocabulary()[3:]
    words = [f"Ġw{i}" for i in range(n_tokens - len(letters) - 1)]
    vocab = {token: row for row, token in enumerate([*letters, *words, "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\nĠ w\n", encoding="utf-8")


def _write_header(
    tensors: Mapping[str, tuple[int, ...]], folder: Path, *, dtype: str
) -> tuple[Path, int]:
    """Write what stands before the data; return the file and the size of the data in bytes."""
    entries, end = {}, 0
    for name, sizes in tensors.items():
        begin, end = end, end + _ITEM_BYTES[dtype] * prod(sizes)
        entries[name] = {"dtype": dtype, "shape": list(sizes), "data_offsets": [begin, end]}
    header = json.dumps(entries).encode()
    path = folder / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path, end


def _gptj_block(shape: Shape) -> dict[str, tuple[int, ...]]:
    d, ff = shape.n_embd, shape.n_inner or 4 * shape.n_embd
    out: dict[str, tuple[int, ...]] = {"ln_1.weight": (d,), "ln_1.bias": (d,)}
    out |= {f"attn.{part}_proj.weight": (d, d) for part in ("q", "k", "v", "out")}
    out |= {"mlp.fc_in.weight": (ff, d), "mlp.fc_in.bias": (ff,)}
    return out | {"mlp.fc_out.weight": (d, ff), "mlp.fc_out.bias": (d,)}


def _gpt2_block(shape: Shape) -> dict[str, tuple[int, ...]]:
    d, ff = shape.n_embd, shape.n_inner or 4 * shape.n_embd
    out: dict[str, tuple[int, ...]] = {"ln_1.weight": (d,), "ln_1.bias": (d,)}
    out |= {"ln_2.weight": (d,), "ln_2.bias": (d,)}
    out |= {"attn.c_attn.weight": (d, 3 * d), "attn.c_attn.bias": (3 * d,)}
    out |= {"attn.c_proj.weight": (d, d), "attn.c_proj.bias": (d,)}
    out |= {"mlp.c_fc.weight": (d, ff), "mlp.c_fc.bias": (ff,)}
    return out | {"mlp.c_proj.weight": (ff, d), "mlp.c_proj.bias": (d,)}
