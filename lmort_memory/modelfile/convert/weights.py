"""Read a checkpoint's weights, rearrange them and encode them for a GGUF, a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import TYPE_CHECKING, TypeVar

from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.convert.checkpoint import Checkpoint
from lmort_memory.modelfile.convert.output import Piece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FILE_TYPES", "Weights", "rotary_order", "zeros"]

FILE_TYPES = {
    "f32": 0,
    "f16": 1,
    "bf16": 32,
    "q8_0": 7,
    "q5_1": 9,
    "q5_0": 8,
    "q4_1": 3,
    "q4_0": 2,
}
"""The types that can be written, each with its llama_ftype for the header."""

_CHUNK_VALUES = 1 << 22  # 16 MiB as float32

_Rows = Callable[[int, int], "NDArray[np.float32]"]
_Scalar = TypeVar("_Scalar", bound="np.generic")


def rotary_order(head_dim: int, n_rotary: int) -> list[int]:
    """Return the order of a head's rows that turns GPT-J's rotary pairs into the half-split order.

    GPT-J rotates rows 2i and 2i + 1 of a head together; the phi2 graph rotates rows i and
    i + n_rotary / 2. Rows past n_rotary keep their place.
    """
    return [*range(0, n_rotary, 2), *range(1, n_rotary, 2), *range(n_rotary, head_dim)]


def zeros(name: str, n: int) -> Piece:
    """Return a bias of zeros, for a graph that needs one the model lacks."""
    import numpy as np

    return Piece(name, (n,), "F32", lambda: iter([np.zeros(4 * n, np.uint8)]))


@dataclass(frozen=True, slots=True)
class Weights:
    """Makes the pieces of a GGUF from a checkpoint.

    Attributes:
        prefix: Prefix of the names in the checkpoint; "" in files of the bare model.
        type_name: Type of the matrices, a key of `FILE_TYPES`.
        used: Names of the checkpoint's tensors that became pieces.
    """

    checkpoint: Checkpoint
    prefix: str
    type_name: str
    used: set[str] = field(default_factory=set)

    def vector(self, name: str, source: str, shape: tuple[int, ...]) -> Piece:
        """Return a norm or bias, kept as float32 as llama.cpp requires."""
        rows = self._rows(source, shape)
        return Piece(name, shape, "F32", partial(_encoded, rows, shape, type_name="F32"))

    def matrix(self, name: str, source: str, shape: tuple[int, int]) -> Piece:
        """Return a matrix that the checkpoint already stores as (n_out, n_in)."""
        return self._matrix(name, shape, self._rows(source, shape))

    def turned(self, name: str, source: str, shape: tuple[int, int]) -> Piece:
        """Return a matrix (n_out, n_in) that the checkpoint stores as (n_in, n_out).

        The whole matrix is in memory while it is written; GPT2-XL's largest takes 41 MB.
        """
        rows = self._rows(source, shape[::-1])

        def columns(start: int, stop: int) -> NDArray[np.float32]:
            return rows(0, shape[1])[:, start:stop].T

        return self._matrix(name, shape, columns, chunk=shape[0])

    def rotary(
        self, name: str, source: str, shape: tuple[int, int], *, head_dim: int, n_rotary: int
    ) -> Piece:
        """Return q or k with the rows of each head in the half-split rotary order."""
        rows = self._rows(source, shape)
        order = rotary_order(head_dim, n_rotary)

        def reordered(start: int, stop: int) -> NDArray[np.float32]:
            heads = rows(start, stop).reshape(-1, head_dim, shape[1])
            return heads[:, order].reshape(stop - start, shape[1])

        chunk = max(1, _CHUNK_VALUES // (head_dim * shape[1])) * head_dim
        return self._matrix(name, shape, reordered, chunk=chunk)

    def _rows(self, source: str, shape: tuple[int, ...]) -> _Rows:
        full = source if source.startswith("lm_head") else self.prefix + source
        if full not in self.checkpoint.names():
            raise BackboneError(
                f"the checkpoint is incomplete: it lacks the tensor {full!r} — download it again"
            )
        if self.checkpoint.shape(full) != shape:
            raise BackboneError(
                f"the tensor {full!r} has the shape {self.checkpoint.shape(full)}, but config.json "
                f"implies {shape} — use the config.json that belongs to the weights"
            )
        self.used.add(full)
        return partial(self.checkpoint.rows, full)

    def _matrix(
        self, name: str, shape: tuple[int, int], rows: _Rows, chunk: int | None = None
    ) -> Piece:
        type_name = _type_of(name, shape, self.type_name)
        return Piece(
            name, shape, type_name, partial(_encoded, rows, shape, type_name=type_name, chunk=chunk)
        )


def _type_of(name: str, shape: tuple[int, int], wanted: str) -> str:
    """Return the ggml type of a matrix.

    As in llama.cpp's own quantisation, the output matrix keeps more bits than the rest (in GPT-2 it
    is also the token embeddings), and rows that are not a multiple of the block stay float16.
    """
    import gguf

    type_name = wanted.upper()
    if name in ("output.weight", "token_embd.weight") and type_name.startswith(("Q4", "Q5")):
        type_name = "Q8_0"
    block, _ = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[type_name]]
    return type_name if shape[1] % block == 0 else "F16"


def _encoded(
    rows: _Rows, shape: tuple[int, ...], *, type_name: str, chunk: int | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Yield the bytes of a tensor, `chunk` rows at a time."""
    step = chunk or max(1, _CHUNK_VALUES // prod(shape[1:]))
    for start in range(0, shape[0], step):
        yield _encode(rows(start, min(start + step, shape[0])), type_name)


def _encode(values: NDArray[np.float32], type_name: str) -> NDArray[np.uint8]:
    import gguf
    import numpy as np

    if type_name == "F32":
        return _as_bytes(values)
    if type_name == "F16":
        with np.errstate(over="ignore"):  # checked on the next line
            half = values.astype(np.float16)
        if not np.isfinite(half).all() and np.isfinite(values).all():
            raise BackboneError("a weight is too large for float16 — use --type bf16 or f32")
        return _as_bytes(half)
    kind = gguf.GGMLQuantizationType[type_name]
    return _as_bytes(gguf.quants.quantize(np.ascontiguousarray(values), kind))


def _as_bytes(values: NDArray[_Scalar]) -> NDArray[np.uint8]:
    import numpy as np

    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
