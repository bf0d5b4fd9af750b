"""Conversion takes memory by the row, not by the model."""

import json
import subprocess
import sys

from lmort_memory.backbone.gguf import read_header
from tests.support.checkpoints import write_tokenizer_json

N_EMBD, N_FF, N_ROWS, ROTARY_DIM = 4096, 1024, 28_000, 64  # GPT-J's width; two matrices of 0.9 GB
PEAK_BYTES = 300 << 20  # the interpreter with NumPy and gguf has 80 MB before it starts

CHILD = """
import re, sys
from pathlib import Path
from lmort_memory.backbone.convert import convert
convert(sys.argv[1], sys.argv[2])
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def tensor_shapes():
    """Return the tensors of a GPT-J of one block, by their names in a checkpoint."""
    block = "transformer.h.0"
    attention = {f"{block}.attn.{part}_proj.weight": [N_EMBD, N_EMBD] for part in "qkv"}
    norms = {
        f"transformer.{name}.{part}": [N_EMBD]
        for name in ("h.0.ln_1", "ln_f")
        for part in ("weight", "bias")
    }
    return {
        "transformer.wte.weight": [N_ROWS, N_EMBD],
        **norms,
        **attention,
        f"{block}.attn.out_proj.weight": [N_EMBD, N_EMBD],
        f"{block}.mlp.fc_in.weight": [N_FF, N_EMBD],
        f"{block}.mlp.fc_in.bias": [N_FF],
        f"{block}.mlp.fc_out.weight": [N_EMBD, N_FF],
        f"{block}.mlp.fc_out.bias": [N_EMBD],
        "lm_head.weight": [N_ROWS, N_EMBD],
        "lm_head.bias": [N_ROWS],
    }


def write_sparse_checkpoint(folder):
    """Write a float64 checkpoint whose data are a hole in the file, and return its size."""
    entries, end = {}, 0
    for name, shape in tensor_shapes().items():
        begin, end = end, end + 8 * shape[0] * (shape[1] if len(shape) == 2 else 1)
        entries[name] = {"dtype": "F64", "shape": shape, "data_offsets": [begin, end]}
    header = json.dumps(entries).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + end)
    config = {
        "model_type": "gptj",
        "n_embd": N_EMBD,
        "n_inner": N_FF,
        "n_head": 16,
        "n_layer": 1,
        "n_positions": 2048,
        "rotary_dim": ROTARY_DIM,
        "vocab_size": N_ROWS,
    }
    (folder / "config.json").write_text(json.dumps(config))
    write_tokenizer_json(folder)
    return end


def test_a_checkpoint_of_gigabytes_takes_megabytes(tmp_path):
    """Converting 2.4 GB stays below 300 MB of memory, as the kernel counts it."""
    out = tmp_path / "out.gguf"
    try:
        size = write_sparse_checkpoint(tmp_path)
        assert size > 2.3e9
        done = subprocess.run(
            [sys.executable, "-c", CHILD, tmp_path, out], capture_output=True, text=True, check=True
        )
        tensors = read_header(out).tensors
        assert tensors["output.weight"].nbytes == 2 * N_ROWS * N_EMBD
        assert int(done.stdout) << 10 < PEAK_BYTES
    finally:  # pytest keeps the folders of the last runs
        out.unlink(missing_ok=True)
        (tmp_path / "model.safetensors").unlink(missing_ok=True)
