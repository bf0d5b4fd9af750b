"""Hostile files end in an error of ours or in a model that runs, never in a dead interpreter."""

import json
import subprocess
import sys

import pytest

from lmort_memory.backbone import Backbone
from lmort_memory.errors import BackboneError
from lmort_memory.testing.tiny_gguf import write_tiny_gguf
from tests.support.checkpoints import tiny_gptj, write_gptj_gguf
from tests.support.gguf_bytes import text
from tests.support.mutations import take_apart
from tests.support.tiny_hf import write_tiny_hf

N_MUTANTS = 100  # 10,000 and more by hand: benchmarks/fuzz_gguf.py


def test_mutants_do_not_kill_the_interpreter(tmp_path):
    """Of a hundred damaged and lying files none aborts, hangs or raises what is not ours."""
    files = [write_tiny_gguf(tmp_path / "tiny.gguf", n_layer=2, n_embd=16, n_ctx=256)]
    for family in ("gpt2", "gemma3", "olmoe"):
        write_tiny_hf(family, tmp_path / f"{family}.gguf")
        files.append(tmp_path / f"{family}.gguf")
    write_gptj_gguf(tiny_gptj(), tmp_path / "gptj.gguf", quantisation="Q4_0")
    # A process of its own: its children are forks, which a process with threads must not make.
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz_gguf", "--mutants", str(N_MUTANTS), *files,
         tmp_path / "gptj.gguf"],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert report["faults"] == []
    assert report["outcomes"]["refused"] > N_MUTANTS // 3
    assert report["outcomes"]["success"] > N_MUTANTS // 10


LIES = {
    "513 blocks": ("llama.block_count", 513),
    "more prediction blocks than blocks": ("llama.nextn_predict_layers", 9),
    "all blocks are prediction blocks": ("llama.nextn_predict_layers", 4),
    "no heads to share keys": ("llama.attention.head_count_kv", 3),
    "more heads than width": ("llama.attention.head_count", 1 << 20),
    "heads of no rows": ("llama.attention.key_length", 0),
    "heads whose keys are longer": ("llama.attention.key_length", 65_534),
    "odd rotary rows": ("llama.rope.dimension_count", 7),
    "no rotary rows": ("llama.rope.dimension_count", 0),
    "more rotary rows than a head has": ("llama.rope.dimension_count", 1 << 20),
    "experts that are never used": ("llama.expert_count", 4),
    "experts used that do not exist": ("llama.expert_used_count", 2),
    "five thousand experts": ("llama.expert_count", 5000),
    "groups of no experts": ("llama.expert_group_count", 2),
    "a window past 32 bits": ("llama.attention.sliding_window", 1 << 31),
    "a scaling by number": ("llama.rope.scaling.type", 3),
    "an epsilon that is a count": ("llama.attention.layer_norm_rms_epsilon", 1),
    "a tokenizer by number": ("tokenizer.ggml.model", 1),
    "token types that are one number": ("tokenizer.ggml.token_type", 1),
}


@pytest.mark.parametrize("name", LIES)
def test_what_llama_cpp_would_abort_on_is_refused(name, tmp_path):
    """A lie about sizes that llama.cpp meets with an assertion is an error that names it."""
    key, value = LIES[name]
    path = tmp_path / "lie.gguf"
    parts = take_apart(write_tiny_gguf(path).read_bytes())
    parts.keys[:] = [entry for entry in parts.keys if entry[0] != key]
    parts.keys.append((key, 4, value.to_bytes(4, "little")))
    path.write_bytes(parts.encode())
    with pytest.raises(BackboneError, match="not a usable GGUF"):
        Backbone.open(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tokenizer.ggml.model", "none"),
        ("tokenizer.ggml.model", "llama"),  # no token for every byte
        ("llama.rope.scaling.type", "wild"),
    ],
)
def test_words_that_llama_cpp_would_abort_on_are_refused(key, value, tmp_path):
    """A word in the header that ends in an assertion or an uncaught C++ exception is refused."""
    path = tmp_path / "lie.gguf"
    parts = take_apart(write_tiny_gguf(path).read_bytes())
    parts.keys[:] = [entry for entry in parts.keys if entry[0] != key]
    parts.keys.append((key, 8, text(value)))
    path.write_bytes(parts.encode())
    with pytest.raises(BackboneError, match="not a usable GGUF"):
        Backbone.open(path)


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        ("output_norm.weight", 26),
        ("blk.1.attn_v.weight", 26),
        ("token_embd.weight", 26),
        ("blk.0.ffn_norm.weight", 24),
    ],
)
def test_weights_of_integers_are_refused(tensor, kind, tmp_path):
    """Norms are float32 and matrices are not integers: llama.cpp crashes on others."""
    path = tmp_path / "lie.gguf"
    parts = take_apart(write_tiny_gguf(path).read_bytes())
    tensors = [
        type(t)(t.name, t.shape, kind if t.name == tensor else t.kind, t.offset)
        for t in parts.tensors
    ]
    path.write_bytes(type(parts)(parts.keys, tensors, parts.data).encode())
    with pytest.raises(BackboneError, match="not a usable GGUF"):
        Backbone.open(path)


def test_two_tokens_spelled_alike_are_refused(tmp_path):
    """A vocabulary with a token twice is refused: llama.cpp asserts that there is none."""
    path = tmp_path / "lie.gguf"
    data = write_tiny_gguf(path).read_bytes()
    path.write_bytes(data.replace(text("a") + text("b"), text("a") + text("a")))
    with pytest.raises(BackboneError, match="same spelling"):
        Backbone.open(path)
