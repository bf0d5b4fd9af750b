"""Conversion takes memory by the row, not by the model, whatever the size of the model."""

import json
import subprocess
import sys
from math import prod

import pytest

from lmort_memory.modelfile.convert.plans import plan_checkpoint
from lmort_memory.modelfile.facts import read_header
from tests.support.checkpoints import write_tokenizer_json
from tests.support.true_shapes import SHAPES, Shape, write_sparse

ONE_BLOCK = Shape("gptj", 1, 4096, 16, 2048, 14_000, rotary_dim=64, n_inner=1024)
PEAK_BYTES = 300 << 20  # the interpreter with NumPy and gguf has 80 MB before it starts

CHILD = """
import re, sys
from pathlib import Path
from lmort_memory.modelfile.convert import convert
convert(sys.argv[1], sys.argv[2])
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""

# What the config.json files of the released checkpoints say, less what nobody reads.
RELEASED = {
    "gpt2": {"n_ctx": 1024},
    "gpt2-medium": {"n_ctx": 1024, "n_special": 0, "predict_special_tokens": True},
    "gpt2-large": {"n_ctx": 1024},
    "gpt2-xl": {"n_ctx": 1024, "output_past": True},
    "gpt-j-6b": {
        "n_inner": None,
        "rotary": True,
        "scale_attn_weights": True,
        "tie_word_embeddings": False,
    },
}
PARAMETERS = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "gpt-j-6b": 6_050_882_784,
}
COMMON = {
    "activation_function": "gelu_new",
    "bos_token_id": 50256,
    "eos_token_id": 50256,
    "layer_norm_epsilon": 1e-05,
}


def test_a_checkpoint_of_gigabytes_takes_megabytes(tmp_path):
    """Converting 1.4 GB stays below 300 MB of memory, as the kernel counts it."""
    out = tmp_path / "out.gguf"
    write_tokenizer_json(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(ONE_BLOCK.config))
    try:
        assert write_sparse(ONE_BLOCK.tensors, tmp_path, dtype="F64") > 1.3e9
        done = subprocess.run(
            [sys.executable, "-c", CHILD, tmp_path, out], capture_output=True, text=True, check=True
        )
        tensors = read_header(out).tensors
        assert tensors["output.weight"].nbytes == 2 * ONE_BLOCK.vocab_size * ONE_BLOCK.n_embd
        assert int(done.stdout) << 10 < PEAK_BYTES
    finally:  # pytest keeps the folders of the last runs
        out.unlink(missing_ok=True)
        (tmp_path / "model.safetensors").unlink(missing_ok=True)


@pytest.mark.parametrize("name", SHAPES)
def test_every_released_size_is_planned_whole(name, tmp_path):
    """Every GPT-2, and GPT-J, keeps all its parameters, and none of the masks of old files."""
    shape = SHAPES[name]
    tensors = dict(shape.tensors)
    tensors |= {f"transformer.h.{i}.attn.bias": (1, 1, 1024, 1024) for i in range(shape.n_layer)}
    tensors |= {f"transformer.h.{i}.attn.masked_bias": () for i in range(shape.n_layer)}
    if name != "gpt-j-6b":  # GPT-2's are of the bare model
        tensors = {key.removeprefix("transformer."): size for key, size in tensors.items()}
    write_sparse(tensors, tmp_path, dtype="F16")
    write_tokenizer_json(tmp_path)
    config = {**shape.config, **COMMON, **RELEASED[name]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    plan = plan_checkpoint(tmp_path, type_name="f16")
    (tmp_path / "model.safetensors").unlink()
    added = ("attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias")  # zeros for phi2
    kept = [one for one in plan.pieces if name != "gpt-j-6b" or not one.name.endswith(added)]
    assert sum(prod(piece.shape) for piece in kept) == PARAMETERS[name] == shape.n_parameters
    assert len(plan.tokenizer.tokens) == shape.vocab_size
    assert plan.sizes.n_layer == shape.n_layer
