"""GGUF files byte by byte, so that tests can lie in every field."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

U32, STRING, ARRAY = 4, 8, 9  # gguf_type
F32, F16, Q4_0 = 0, 1, 2  # ggml_type


def text(value: str | bytes, length: int | None = None) -> bytes:
    """Encode a string; `length` lies about how long it is."""
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw


def key(name: str | bytes, kind: int, payload: bytes) -> bytes:
    """Encode one key with its value."""
    return text(name) + struct.pack("<I", kind) + payload


def u32(name: str, value: int) -> bytes:
    """Encode a key with a number."""
    return key(name, U32, struct.pack("<I", value))


def string(name: str, value: str | bytes, length: int | None = None) -> bytes:
    """Encode a key with a text."""
    return key(name, STRING, text(value, length))


def array(name: str, kind: int, items: Sequence[bytes], count: int | None = None) -> bytes:
    """Encode a key with an array; `count` lies about how many items follow."""
    length = len(items) if count is None else count
    return key(name, ARRAY, struct.pack("<IQ", kind, length) + b"".join(items))


@dataclass(frozen=True)
class Tensor:
    """One entry of the tensor list; `shape` is in the file's order, rows last."""

    name: str | bytes = "t"
    shape: Sequence[int] = (4,)
    kind: int = F32
    offset: int = 0
    n_dims: int | None = None

    def entry(self) -> bytes:
        """Encode the entry."""
        n_dims = len(self.shape) if self.n_dims is None else self.n_dims
        sizes = struct.pack(f"<I{len(self.shape)}Q", n_dims, *self.shape)
        return text(self.name) + sizes + struct.pack("<IQ", self.kind, self.offset)


def gguf_file(
    keys: Sequence[bytes] = (),
    tensors: Sequence[Tensor] = (),
    *,
    data: bytes = b"",
    magic: bytes = b"GGUF",
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """Encode a file; `counts` lies about the number of tensors and keys."""
    n_tensors, n_keys = counts or (len(tensors), len(keys))
    head = magic + struct.pack("<IQQ", version, n_tensors, n_keys)
    head += b"".join(keys) + b"".join(tensor.entry() for tensor in tensors)
    return head + bytes(-len(head) % 32) + data
