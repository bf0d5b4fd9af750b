"""A sketch of a model's large matrices, to tell fine-tuned models apart.

A merged LoRA has the norms, sizes and tokenizer of its base model, and so the same fingerprint
(fingerprint.py). The sketch projects a few rows of each kind of matrix onto fixed random signs.
Rounding moves a projection as far as it moves the row, and that distance is known for each type; a
larger change means different weights.

It detects a change of q and v by 1 % of their size between F16 or Q8_0 files, and by 15 % if one
file is 4-bit. Smaller changes of a 4-bit model are lost in its rounding error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmort_memory.modelfile.header import GgufHeader, TensorInfo
from lmort_memory.modelfile.tensors import read_tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_KINDS = (
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_qkv",
    "attn_output",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
)
_BLOCKS = 4  # evenly spread
_ROWS = 16  # per matrix, evenly spread
_SIGNS = 4  # projections per row

# Relative error of a matrix of this type: the largest of seven kinds of matrices of SmolLM2-135M,
# requantised from F32 by llama_model_quantize, rounded up (benchmarks/bench_identity.py).
_ERROR = {
    "F32": 0.0,
    "F16": 0.0003,
    "BF16": 0.003,
    "Q8_0": 0.007,
    "Q6_K": 0.019,
    "Q5": 0.06,
    "Q4": 0.11,
    "IQ4": 0.11,
    "Q3": 0.16,
    "IQ3": 0.25,
    "Q2": 0.35,
}
_SLACK = 1.25  # 256 projections estimate the error of a matrix to within 10 %
_FLOOR = 1e-3  # float16, in which sketches are kept
_MAX_TEXT = 1 << 16


@dataclass(frozen=True, slots=True)
class Part:
    """The sketch of one kind of matrix.

    Attributes:
        kind: Such as "attn_q".
        error: Relative rounding error of its type.
        values: Projections, float16 (n,).
    """

    kind: str
    error: float
    values: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Sketch:
    """Sketches of the kinds of matrices that a model has."""

    parts: tuple[Part, ...]

    def agrees(self, other: Sketch) -> bool:
        """Whether both can be sketches of the same weights, each with its own rounding.

        Kinds found in only one of them are ignored: a file may have types that cannot be read.
        """
        theirs = {part.kind: part for part in other.parts}
        return all(_agree(mine, theirs[mine.kind]) for mine in self.parts if mine.kind in theirs)

    def to_text(self) -> str:
        """Return the sketch as ASCII text, a few kilobytes."""
        return " ".join(
            f"{part.kind}:{part.error:g}:{base64.b64encode(part.values.tobytes()).decode()}"
            for part in self.parts
        )

    @classmethod
    def from_text(cls, text: str) -> Sketch:
        """Read what `to_text` wrote.

        Raises:
            ValueError: the text is not a sketch.
        """
        import numpy as np

        if len(text) > _MAX_TEXT:
            raise ValueError(f"a sketch of {len(text)} characters is longer than {_MAX_TEXT}")
        parts = []
        for item in text.split():
            try:
                kind, error, data = item.split(":")
                values = np.frombuffer(base64.b64decode(data, validate=True), np.float16)
                parts.append(Part(kind, float(error), values))
            except binascii.Error as failure:
                raise ValueError(f"the sketch of {item[:20]!r} is damaged") from failure
        return cls(tuple(parts))


def sketch(header: GgufHeader) -> Sketch:
    """Sketch a model. Reads about 450 rows, in tens of milliseconds.

    Skips matrices of types that cannot be decoded.

    Raises:
        BackboneError: the file changed since its header was read.
    """
    import numpy as np

    architecture = header.metadata.get("general.architecture")
    n_blocks = header.metadata.get(f"{architecture}.block_count")
    last = int(n_blocks) - 1 if isinstance(n_blocks, int) else 0
    blocks = sorted({round(i * last / (_BLOCKS - 1)) for i in range(_BLOCKS)})
    parts = []
    for kind in _KINDS:
        names = [f"blk.{block}.{kind}.weight" for block in blocks]
        found = [header.tensors[name] for name in names if name in header.tensors]
        errors = [_error(tensor.type_name) for tensor in found]
        if not found or any(error is None for error in errors):
            continue
        values = np.concatenate([_projections(header, tensor) for tensor in found])
        error = max(error for error in errors if error is not None)
        parts.append(Part(kind, error, values.astype(np.float16)))
    return Sketch(tuple(parts))


def _projections(header: GgufHeader, tensor: TensorInfo) -> NDArray[np.float32]:
    import numpy as np

    picked = np.unique(np.linspace(0, tensor.n_rows - 1, _ROWS).round().astype(np.int64))
    rows = read_tensor(header, tensor.name, rows=[int(row) for row in picked])
    width = rows.shape[1]
    bits = np.unpackbits(
        np.frombuffer(
            hashlib.shake_256(b"lmort-memory sketch").digest(width * _SIGNS // 8 + 1), np.uint8
        )
    )
    signs = bits[: width * _SIGNS].reshape(width, _SIGNS).astype(np.float32) * 2 - 1
    return (rows @ signs).ravel() / np.float32(math.sqrt(width))


def _error(type_name: str) -> float | None:
    for start in (type_name, type_name.split("_")[0]):
        if start in _ERROR:
            return _ERROR[start]
    return None


def _agree(a: Part, b: Part) -> bool:
    import numpy as np

    if a.values.shape != b.values.shape:
        return False
    x, y = a.values.astype(np.float64), b.values.astype(np.float64)
    distance = math.sqrt(((x - y) ** 2).sum())
    size = math.sqrt(math.sqrt((x**2).sum() * (y**2).sum()))
    return distance <= size * (_FLOOR + _SLACK * math.hypot(a.error, b.error))
