"""The identity of a model's weights, independent of file and quantisation.

The fingerprint hashes what no quantisation changes: sizes, the tokenizer, the RoPE parameters and
the vectors that every quantisation keeps in float32 (norms and biases).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from lmort_memory.modelfile.facts import GgufHeader, read_array, read_strings, tensor_rows
from lmort_memory.modelfile.header import ArrayRef

_LENGTH = 16  # hex digits: 64 bits tell any number of models apart
_SIZES = (
    "block_count",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "expert_count",
    "expert_used_count",
)
_STRINGS = ("tokenizer.ggml.tokens", "tokenizer.ggml.merges")
_NUMBERS = ("tokenizer.ggml.scores", "tokenizer.ggml.token_type")


def fingerprint(header: GgufHeader) -> str:
    """Return 16 hex digits that identify the weights; reads a few hundred kilobytes.

    Raises:
        BackboneError: the file changed since its header was read.
    """
    digest = hashlib.sha256()
    for part in _parts(header):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:_LENGTH]


def _parts(header: GgufHeader) -> Iterator[bytes]:
    architecture = str(header.metadata.get("general.architecture"))
    yield architecture.encode()
    rope = sorted(key for key in header.metadata if key.startswith(f"{architecture}.rope."))
    sizes = [f"{architecture}.{size}" for size in _SIZES]
    for key in [*sizes, *rope, "tokenizer.ggml.model", "tokenizer.ggml.pre"]:
        value = header.metadata.get(key)
        if isinstance(value, ArrayRef):
            yield key.encode()
            yield read_array(header, key).tobytes()
        elif value is not None:
            yield f"{key}={value}".encode()
    yield from _arrays(header)
    for name, tensor in sorted(header.tensors.items()):
        if len(tensor.shape) == 1 and tensor.type_name == "F32":
            yield name.encode()
            yield tensor_rows(header, name).tobytes()


def _arrays(header: GgufHeader) -> Iterator[bytes]:
    for key in _STRINGS:
        if key in header.metadata:
            yield key.encode()
            yield b"\0".join(read_strings(header, key))
    for key in _NUMBERS:
        if key in header.metadata:
            yield key.encode()
            yield read_array(header, key).tobytes()
