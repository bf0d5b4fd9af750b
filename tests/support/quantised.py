"""The packaged model in other quantisations, and with a LoRA merged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from lmort_memory.backbone import default_model_path
from lmort_memory.backbone.default import quantise
from lmort_memory.modelfile.header import read_header

# enum llama_ftype
FILE_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 7, "Q3_K_M": 12, "Q4_K_M": 15, "Q6_K": 18}


def requantise(out: Path, file_type: str) -> Path:
    """Write the packaged SmolLM2 in another type, with llama.cpp's own quantiser."""
    quantise(default_model_path(), out, FILE_TYPES[file_type])
    return out


def merge_random_lora(source: Path, out: Path, *, size: float, rank: int = 8) -> Path:
    """Copy an F16 or F32 model with a low-rank change of every q and v.

    Args:
        source: The model.
        out: The copy.
        size: Root mean square of the change relative to the matrix's own.
        rank: Rank of the change.
    """
    shutil.copy(source, out)
    rng = np.random.default_rng(0)
    for tensor in read_header(out).tensors.values():
        if not tensor.name.endswith(("attn_q.weight", "attn_v.weight")):
            continue
        n_out, n_in = tensor.shape
        kind = np.float16 if tensor.type_name == "F16" else np.float32
        matrix = np.memmap(out, kind, "r+", tensor.offset, (n_out, n_in))
        change = rng.standard_normal((n_out, rank)) @ rng.standard_normal((rank, n_in))
        scale = size * np.sqrt(np.square(matrix.astype(np.float32)).mean())
        matrix += (change * scale / np.sqrt(np.square(change).mean())).astype(kind)
        matrix.flush()
    return out
