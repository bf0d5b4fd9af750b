"""Refuse model files that would make llama.cpp abort the process.

llama.cpp checks hyper-parameters and vocabulary with assertions, and a failed assertion kills the
interpreter. Each rule here covers one or more of those assertions, as of the llama.cpp in
llama-cpp-python 0.3.36; fuzzing (benchmarks/fuzz_gguf.py) found which are needed.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from lmort_memory.modelfile.header import ArrayRef, GgufHeader, TensorInfo, refuse
from lmort_memory.modelfile.tensors import read_array, read_strings

__all__ = ["check_model"]

_MAX_LAYERS = 512  # LLAMA_MAX_LAYERS
_MAX_EXPERTS = 1024  # LLAMA_MAX_EXPERTS
_MAX_HEAD_DIM = 1 << 16
_MAX_WINDOW = 1 << 30  # llama.cpp adds a batch to it in 32 bits
_ROPE_SCALINGS = ("none", "linear", "yarn", "longrope")
_TOKENIZERS = ("llama", "gpt2", "bert", "t5", "rwkv", "plamo2", "gemma4", "hybriddna", "whitespace")
_NO_WEIGHTS = ("I8", "I16", "I32", "I64", "F64")
_INTEGER_TENSORS = "ffn_gate_tid2eid"  # DeepSeek 4's table from tokens to experts
# Graphs that rotate whole heads and assert it: "GGML_ASSERT(n_embd_head == n_rot)".
_WHOLE_HEADS = {
    "apertus", "arcee", "arctic", "baichuan", "chameleon", "codeshell", "cogvlm", "cohere2moe",
    "dbrx", "deci", "deepseek", "dots1", "dream", "ernie4_5", "ernie4_5-moe", "exaone",
    "exaone-moe", "exaone4", "falcon", "granite", "granite_swa", "graniteswitch", "grok",
    "grovemoe", "hunyuan-moe", "hunyuan_vl", "hy_v3", "internlm2", "jais2", "llada", "llada-moe",
    "llama", "llama4", "maincoder", "mellum", "mistral3", "olmo", "olmo2", "olmoe", "orion",
    "paddleocr", "pangu-embedded", "plamo", "pockettts", "qwen2", "qwen2moe", "qwen2vl", "qwen3",
    "qwen3moe", "qwen3vl", "qwen3vlmoe", "rnd1", "seed_oss", "smallthinker", "smollm3",
    "starcoder2", "talkie", "xverse",
}  # fmt: skip


def check_model(header: GgufHeader) -> None:
    """Refuse a model that would make llama.cpp abort the process.

    Takes about 10 ms per 100,000 tokens of vocabulary.

    Raises:
        BackboneError: names the offending key or tensor.
    """
    stem = str(header.metadata.get("general.architecture"))
    n_layer = _ints(header, f"{stem}.block_count")[0]
    _check_blocks(header, stem, n_layer)
    _check_heads(header, stem)
    _check_experts(header, stem)
    _check_numbers(header, stem)
    for tensor in header.tensors.values():
        _check_tensor(header, tensor)
    _check_vocabulary(header)


def _check_blocks(header: GgufHeader, stem: str, n_layer: int) -> None:
    if not 0 < n_layer <= _MAX_LAYERS:
        refuse(header.path, f"it declares {n_layer} blocks; expected 1 to {_MAX_LAYERS}")
    extra = _ints(header, f"{stem}.nextn_predict_layers", default=0)[0]
    if not 0 <= extra < n_layer:
        refuse(header.path, f"it declares {extra} prediction blocks among its {n_layer} blocks")


def _check_heads(header: GgufHeader, stem: str) -> None:
    n_embd = _ints(header, f"{stem}.embedding_length")[0]
    heads = _ints(header, f"{stem}.attention.head_count", default=0)
    kv_heads = _ints(header, f"{stem}.attention.head_count_kv", default=heads[0])
    for n_head in {*heads, *kv_heads}:
        if not 0 <= n_head <= n_embd:
            refuse(header.path, f"it declares {n_head} heads for a width of {n_embd}")
    if len(heads) == len(kv_heads) and any(
        n_kv and n_head % n_kv for n_head, n_kv in zip(heads, kv_heads, strict=True)
    ):
        refuse(
            header.path, f"its {heads[0]} heads are not a multiple of its {kv_heads[0]} key heads"
        )
    if heads[0]:
        _check_head_sizes(header, stem, n_embd // heads[0])


def _check_head_sizes(header: GgufHeader, stem: str, head_dim: int) -> None:
    """Check the sizes of a head, and of a head in blocks with a sliding window."""
    key_length = value_length = n_rotary = head_dim
    latent = f"{stem}.attention.kv_lora_rank" in header.metadata or stem == "mimo2"
    for kind in ("", "_swa"):
        key_length = _ints(header, f"{stem}.attention.key_length{kind}", default=key_length)[0]
        value_length = _ints(header, f"{stem}.attention.value_length{kind}", default=value_length)[
            0
        ]
        if not 0 < key_length <= _MAX_HEAD_DIM or not 0 < value_length <= _MAX_HEAD_DIM:
            refuse(header.path, f"it declares heads of {key_length} and {value_length} values")
        if key_length != value_length and not latent:
            refuse(header.path, f"its keys have {key_length} values, its values {value_length}")
        if not kind:
            n_rotary = key_length
        n_rotary = _ints(header, f"{stem}.rope.dimension_count{kind}", default=n_rotary)[0]
        whole = stem not in _WHOLE_HEADS or n_rotary == key_length
        if not 0 < n_rotary <= key_length or n_rotary % 2 or not whole:
            refuse(header.path, f"it rotates {n_rotary} of the {key_length} rows of a head")


def _check_experts(header: GgufHeader, stem: str) -> None:
    n_experts, n_groups, n_group_used = (
        _ints(header, f"{stem}.expert_{name}count", default=0)[0]
        for name in ("", "group_", "group_used_")
    )
    n_used = max(_ints(header, f"{stem}.expert_used_count", default=0))
    possible = (
        0 <= n_experts <= _MAX_EXPERTS
        and (n_used > 0) == (n_experts > 0)
        and n_used <= n_experts
        and 0 <= n_groups < max(n_experts, 1)
        and (n_groups <= 1 or (n_experts % n_groups == 0 and 0 < n_group_used < n_groups))
    )
    if not possible:
        refuse(
            header.path,
            f"it uses {n_used} of {n_experts} experts in {n_groups} groups, which is impossible",
        )


def _check_numbers(header: GgufHeader, stem: str) -> None:
    for key, value in header.metadata.items():
        if key.startswith(stem) and isinstance(value, float) and not math.isfinite(value):
            refuse(header.path, f"{key} is {value}")
        if key.endswith("_epsilon") and not (isinstance(value, float) and 0 <= value < 1):
            refuse(header.path, f"{key} is {value!r}; expected a small positive number")
    scaling = header.metadata.get(f"{stem}.rope.scaling.type", "none")
    if scaling not in _ROPE_SCALINGS:
        refuse(
            header.path,
            f"its RoPE scaling is {scaling!r}; expected one of {', '.join(_ROPE_SCALINGS)}",
        )
    window = header.metadata.get(f"{stem}.attention.sliding_window", 0)
    if isinstance(window, int) and not 0 <= window < _MAX_WINDOW:
        refuse(header.path, f"its sliding window is {window} tokens")
    if header.metadata.get(f"{stem}.attention.causal") is False:
        refuse(header.path, "its attention is not causal: it is an encoder, not a chat model")


def _check_tensor(header: GgufHeader, tensor: TensorInfo) -> None:
    """Require norms and biases in float32, and no integer matrices: llama.cpp runs nothing else."""
    if _INTEGER_TENSORS in tensor.name:
        return
    if len(tensor.shape) == 1 and tensor.type_name != "F32":
        refuse(header.path, f"the vector {tensor.name!r} is {tensor.type_name}; expected F32")
    if tensor.type_name in _NO_WEIGHTS:
        refuse(header.path, f"the matrix {tensor.name!r} is {tensor.type_name}: not weights")


def _check_vocabulary(header: GgufHeader) -> None:
    kind = header.metadata.get("tokenizer.ggml.model")
    if kind not in _TOKENIZERS:
        refuse(header.path, f"its tokenizer is {kind!r}; expected one of {', '.join(_TOKENIZERS)}")
    tokens = read_strings(header, "tokenizer.ggml.tokens")
    spellings = set(tokens)
    spellings.discard(b"")  # llama.cpp gives each empty one a name of its own
    if len(spellings) != len(tokens) - tokens.count(b""):
        refuse(header.path, "two of its tokens have the same spelling")
    for name, integer in (("token_type", True), ("scores", False)):
        _check_per_token(header, f"tokenizer.ggml.{name}", len(tokens), integer=integer)
    if kind == "llama":
        _check_byte_tokens(header, spellings)


def _check_per_token(header: GgufHeader, key: str, n_tokens: int, *, integer: bool) -> None:
    found = header.metadata.get(key)
    if found is None:
        return
    kind = 5 if integer else 6  # gguf_type: INT32, FLOAT32
    if not isinstance(found, ArrayRef) or found.item_type != kind or found.count < n_tokens:
        refuse(header.path, f"{key} does not have one number for each of its {n_tokens} tokens")


def _check_byte_tokens(header: GgufHeader, spellings: Collection[bytes]) -> None:
    """Require a token for every byte: SentencePiece falls back to them, and llama.cpp insists."""
    for byte in range(256):
        if b"<0x%02X>" % byte not in spellings and bytes([byte]) not in spellings:
            refuse(header.path, f"its vocabulary has no token for the byte 0x{byte:02X}")


def _ints(header: GgufHeader, key: str, *, default: int | None = None) -> list[int]:
    """Return an integer, or one per block; `default` if the key is missing."""
    value = header.metadata.get(key, default)
    if isinstance(value, ArrayRef) and value.is_integer and 0 < value.count <= _MAX_LAYERS:
        return [int(item) for item in read_array(header, key)]
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(header.path, f"{key} is {value!r}; expected an integer")
    return [value]
