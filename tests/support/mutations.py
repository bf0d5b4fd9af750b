"""Hostile variants of honest GGUF files: random bytes, and lies that are well formed."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.support.gguf_bytes import ARRAY, STRING, U32, Tensor, gguf_file, key, text

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_WILD = [0, 1, 2, 3, 5, 7, 16, 31, 33, 64, 127, 255, 256, 511, 513, 4095, 65535, 1 << 20,
         (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, (1 << 64) - 1]  # fmt: skip

# What llama.cpp reads from a header beyond what the tiny models state.
_HYPER_PARAMETERS = (
    "expert_count", "expert_used_count", "expert_group_count", "expert_group_used_count",
    "nextn_predict_layers", "leading_dense_block_count", "embedding_length_out", "pooling_type",
    "use_parallel_residual", "attention.head_count", "attention.head_count_kv",
    "attention.key_length", "attention.value_length", "attention.key_length_swa",
    "attention.value_length_swa", "attention.sliding_window", "attention.causal",
    "attention.sliding_window_pattern", "attention.max_alibi_bias", "attention.clamp_kqv",
    "attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon",
    "attention.group_norm_groups", "attention.group_norm_epsilon", "attention.q_lora_rank",
    "attention.scale",
    "attention.temperature_length", "rope.dimension_count", "rope.dimension_count_swa",
    "rope.dimension_sections", "rope.freq_base", "rope.freq_base_swa", "rope.scaling.type",
    "rope.scaling.factor", "rope.scaling.original_context_length", "rope.scaling.finetuned",
    "rope.scaling.attn_factor", "feed_forward_length", "vocab_size", "block_count",
    "context_length", "embedding_length", "classifier.output_labels", "logit_scale",
    "embedding_scale", "residual_scale", "token_shift_count", "decoder_block_count",
    "ssm.conv_kernel", "ssm.inner_size", "attn_logit_softcapping", "final_logit_softcapping",
)  # fmt: skip
_TOKENIZER_KEYS = (
    "model", "pre", "token_type_count", "add_space_prefix", "add_bos_token", "add_eos_token",
    "add_sep_token", "remove_extra_whitespaces", "precompiled_charsmap", "bos_token_id",
    "eos_token_id", "eot_token_id", "eom_token_id", "unknown_token_id", "padding_token_id",
    "fim_pre_token_id", "scores", "token_type", "tokens", "merges", "suppress_tokens",
)  # fmt: skip
_TOKENIZER_MODELS = (
    "llama", "gpt2", "bert", "t5", "rwkv", "plamo2", "gemma4", "no_vocab", "none", "test",
    "hybriddna", "whitespace",
)  # fmt: skip
_PRE_TOKENIZERS = ("llama-bpe", "qwen2", "smollm", "gpt-4o", "tekken", "kimi-k2", "default", "x")
_ARCHITECTURES = (
    "llama", "llama4", "qwen2", "qwen3", "qwen2moe", "qwen3moe", "qwen35", "qwen3next", "gemma",
    "gemma2", "gemma3", "gemma3n", "gemma4", "phi2", "phi3", "phimoe", "gpt2", "gptj", "gptneox",
    "falcon", "mpt", "bloom", "starcoder", "starcoder2", "stablelm", "olmo", "olmo2", "olmoe",
    "deepseek", "deepseek2", "mamba", "mamba2", "jamba", "rwkv6", "rwkv7", "bert", "nomic-bert",
    "t5", "t5encoder", "granite", "granitehybrid", "command-r", "cohere2", "dbrx", "grok",
    "minicpm", "minicpm3", "internlm2", "orion", "baichuan", "chatglm", "glm4", "exaone", "arctic",
    "deci", "nemotron", "nemotron_h", "lfm2", "plamo", "plamo2", "openelm", "jais", "refact",
    "bitnet", "xverse", "codeshell", "chameleon", "wavtokenizer-dec", "gpt-oss", "hunyuan-moe",
    "ernie4_5", "smollm3", "dream", "llada", "seed_oss", "apertus", "clip", "falcon-h1",
)  # fmt: skip


@dataclass(frozen=True)
class Parts:
    """An honest file taken apart."""

    keys: list[tuple[str, int, bytes]]
    tensors: list[Tensor]
    data: bytes

    def encode(self) -> bytes:
        """Put the file together again."""
        keys = [key(name, kind, payload) for name, kind, payload in self.keys]
        return gguf_file(keys, self.tensors, data=self.data)

    @property
    def architecture(self) -> str:
        """The graph that the file names."""
        payload = next(payload for name, _, payload in self.keys if name == "general.architecture")
        return payload[8:].decode("utf-8", "replace")


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.pos = data, 4

    def take(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from(f"<{form}", self.data, self.pos)
        self.pos += struct.calcsize(f"<{form}")
        return values

    def raw(self, length: int) -> bytes:
        if length > len(self.data) - self.pos:
            raise struct.error("past the end")
        self.pos += length
        return self.data[self.pos - length : self.pos]

    def name(self) -> str:
        return self.raw(*self.take("Q")).decode()

    def payload(self, kind: int) -> bytes:
        start = self.pos
        if kind == STRING:
            self.raw(*self.take("Q"))
        elif kind == ARRAY:
            item, count = self.take("IQ")
            if item in _SIZES:
                self.raw(count * _SIZES[item])
            else:
                for _ in range(count):
                    self.payload(item)
        else:
            self.raw(_SIZES[kind])
        return self.data[start : self.pos]


def take_apart(data: bytes) -> Parts:
    """Take an honest file apart."""
    cursor = _Cursor(data)
    _, n_tensors, n_keys = cursor.take("IQQ")
    keys = []
    for _ in range(n_keys):
        name, (kind,) = cursor.name(), cursor.take("I")
        keys.append((name, kind, cursor.payload(kind)))
    tensors = []
    for _ in range(n_tensors):
        name, (n_dims,) = cursor.name(), cursor.take("I")
        shape, (kind, offset) = cursor.take(f"{n_dims}Q"), cursor.take("IQ")
        tensors.append(Tensor(name, shape, kind, offset))
    return Parts(keys, tensors, data[-(-cursor.pos // 32) * 32 :])


def mutant(rng: random.Random, honest: bytes) -> bytes:
    """Return a hostile variant: one to three changes of any kind."""
    data = honest
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        try:
            data = rng.choice(_CHANGES)(rng, data)
        except (struct.error, UnicodeDecodeError, KeyError, IndexError, MemoryError, StopIteration):
            return data  # an earlier change left no file that can be taken apart
    return data


def _wild_bytes(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 40))):
        out[rng.randrange(min(len(out), 12_000))] = rng.randrange(256)
    return bytes(out)


def _wild_number(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(4, min(len(data) - 8, 12_000))
    size = rng.choice((4, 8))
    number = rng.choice(_WILD) % (1 << 8 * size)
    return data[:at] + number.to_bytes(size, "little") + data[at + size :]


def _wild_weights(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) // 2, len(data) - 64)
    number = rng.choice((b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff\xff\x7f\x7f"))
    return data[:at] + number * 16 + data[at + 64 :]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _changed_key(rng: random.Random, data: bytes) -> bytes:
    parts = take_apart(data)
    at = rng.randrange(len(parts.keys))
    name, kind, payload = parts.keys[at]
    if kind in (STRING, ARRAY) and rng.random() < 0.5:
        parts.keys[at] = (name, *_wild_value(rng))
    elif kind == STRING:
        parts.keys[at] = (name, STRING, text(rng.randbytes(rng.randrange(12))))
    elif kind == ARRAY:
        parts.keys[at] = (name, ARRAY, _shorter_array(rng, payload))
    else:
        number = rng.choice(_WILD) % (1 << 8 * _SIZES[kind])
        parts.keys[at] = (name, kind, number.to_bytes(_SIZES[kind], "little"))
    return parts.encode()


def _shorter_array(rng: random.Random, payload: bytes) -> bytes:
    """Keep the first items only, or repeat the first one over and over."""
    cursor = _Cursor(payload)
    cursor.pos = 0
    kind, count = cursor.take("IQ")
    start = cursor.pos
    keep = rng.choice((0, 1, count // 2, count - 1))
    for _ in range(keep):
        cursor.payload(kind)
    return struct.pack("<IQ", kind, keep) + payload[start : cursor.pos]


def _dropped_key(rng: random.Random, data: bytes) -> bytes:
    parts = take_apart(data)
    del parts.keys[rng.randrange(len(parts.keys))]
    return parts.encode()


def _wild_value(rng: random.Random) -> tuple[int, bytes]:
    kind = rng.choice((U32, U32, U32, 6, 7, 5, STRING, ARRAY))
    if kind == STRING:
        words = (*_TOKENIZER_MODELS, *_PRE_TOKENIZERS, "linear", "yarn", "longrope", "", "é")
        return kind, text(rng.choice(words))
    if kind == ARRAY:
        item = rng.choice((U32, 5, 6, 7))
        count = rng.choice((0, 1, 3, 4, 259, 513))
        return kind, struct.pack("<IQ", item, count) + rng.randbytes(count * _SIZES[item])
    if kind == 6:
        numbers = (0.0, -1.0, 1e-9, 1.0, 1e30, float("inf"), float("nan"))
        return kind, struct.pack("<f", rng.choice(numbers))
    return kind, (rng.choice(_WILD) % (1 << 8 * _SIZES[kind])).to_bytes(_SIZES[kind], "little")


def _added_key(rng: random.Random, data: bytes) -> bytes:
    """State something that llama.cpp reads and the model did not state, or state it anew."""
    parts = take_apart(data)
    stem = parts.architecture
    name = rng.choice(
        [f"{stem}.{rng.choice(_HYPER_PARAMETERS)}", f"tokenizer.ggml.{rng.choice(_TOKENIZER_KEYS)}"]
    )
    keys = [entry for entry in parts.keys if entry[0] != name]
    value = _wild_value(rng)
    if rng.random() < 0.5:
        value = (U32, struct.pack("<I", rng.choice(_WILD) % (1 << 32)))
    elif name.endswith(("ggml.model", "ggml.pre")):
        value = (STRING, text(rng.choice((*_TOKENIZER_MODELS, *_PRE_TOKENIZERS))))
    return replace(parts, keys=[*keys, (name, *value)]).encode()


def _other_architecture(rng: random.Random, data: bytes) -> bytes:
    """Claim to be another architecture, with all its keys renamed: tensors and sizes lie."""
    parts = take_apart(data)
    old, new = parts.architecture, rng.choice(_ARCHITECTURES)
    keys = []
    for name, kind, payload in parts.keys:
        if name == "general.architecture":
            keys.append((name, kind, text(new)))
        else:
            renamed = f"{new}{name.removeprefix(old)}" if name.startswith(f"{old}.") else name
            keys.append((renamed, kind, payload))
    return replace(parts, keys=keys).encode()


def _changed_tensor(rng: random.Random, data: bytes) -> bytes:
    """Rename, drop, reshape or retype one tensor while the file stays well formed."""
    parts = take_apart(data)
    at = rng.randrange(len(parts.tensors))
    tensor = parts.tensors[at]
    tensors = list(parts.tensors)
    change = rng.choice(("rename", "swap", "turn", "flatten", "halve", "retype"))
    if change == "rename":
        tensors[at] = replace(tensor, name=f"{tensor.name}x")
    elif change == "swap":
        other = rng.randrange(len(tensors))
        tensors[at] = replace(tensor, name=tensors[other].name)
        tensors[other] = replace(tensors[other], name=tensor.name)
    elif change == "turn":
        tensors[at] = replace(tensor, shape=tuple(tensor.shape)[::-1])
    elif change == "flatten":
        size = 1
        for dim in tensor.shape:
            size *= dim
        tensors[at] = replace(tensor, shape=(size,))
    elif change == "halve":  # the same padded place in the file, for rows of 32 bytes and more
        first, *rest = tensor.shape
        tensors[at] = replace(tensor, shape=(first // 2, *rest, 2))
    else:
        tensors[at] = replace(tensor, kind=rng.choice((0, 5, 26)))  # float32, or an int of 4 bytes
    return replace(parts, tensors=tensors).encode()


_CHANGES: list[Callable[[random.Random, bytes], bytes]] = [
    _wild_bytes,
    _wild_number,
    _wild_number,
    _wild_weights,
    _cut,
    _changed_key,
    _changed_key,
    _dropped_key,
    _added_key,
    _added_key,
    _added_key,
    _other_architecture,
    _changed_tensor,
    _changed_tensor,
]
