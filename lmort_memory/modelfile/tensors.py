"""Data of a GGUF file: arrays of the metadata, raw rows and decoded values of tensors.

Reads only what is requested, so models of any size work. All functions take a header from
`read_header`, which has checked that everything they read lies inside the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.header import SCALARS, ArrayRef, GgufHeader, TensorInfo, refuse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["read_array", "read_strings", "read_tensor", "tensor_rows"]


def read_strings(header: GgufHeader, key: str) -> list[bytes]:
    """Read an array of strings from the metadata, as raw bytes.

    A vocabulary's tokens are not always valid UTF-8.

    Raises:
        BackboneError: the key is missing or not an array of strings, or the file has changed.
    """
    ref = _array(header, key)
    if not ref.is_text:
        refuse(header.path, f"the array {key!r} has numbers; expected strings")
    return _split_strings(header.path, _read_at(header.path, ref.offset, ref.nbytes), ref.count)


def read_array(header: GgufHeader, key: str) -> NDArray[np.generic]:
    """Read an array of numbers or booleans from the metadata, in the file's own type.

    Raises:
        BackboneError: the key is missing or not an array of numbers, or the file has changed.
    """
    import numpy as np

    ref = _array(header, key)
    if ref.is_text:
        refuse(header.path, f"the array {key!r} has strings; expected numbers")
    data = _read_at(header.path, ref.offset, ref.nbytes)
    return np.frombuffer(data, np.dtype(SCALARS[ref.item_type].format))


def tensor_rows(header: GgufHeader, name: str) -> NDArray[np.uint8]:
    """Map the raw bytes of a tensor, read-only: uint8 (n_rows, bytes of one row).

    A quantised row is a whole number of blocks, so rows can be moved without decoding them.

    Raises:
        BackboneError: the tensor does not exist, or the file is gone.
    """
    import numpy as np

    info = _tensor(header, name)
    try:
        return np.memmap(
            header.path,
            dtype=np.uint8,
            mode="r",
            offset=info.offset,
            shape=(info.n_rows, info.nbytes // info.n_rows),
        )
    except (OSError, ValueError) as error:
        raise BackboneError(f"{header.path} changed while it was read: {error}") from error


def read_tensor(
    header: GgufHeader, name: str, *, rows: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Read a tensor, or some rows of it, dequantised to float32.

    Args:
        header: From `read_header`.
        name: The tensor's name.
        rows: Row indices, counted over all dimensions but the last; None means all.

    Returns:
        (len(rows), n_in) with `rows`, otherwise the tensor's own shape; owned by the caller. Only
        the requested rows take memory.

    Raises:
        BackboneError: the tensor does not exist, its type cannot be decoded, or the file is gone.
    """
    import gguf
    import numpy as np

    info = _tensor(header, name)
    raw = tensor_rows(header, name)
    picked = raw[:] if rows is None else raw[np.asarray(rows, np.intp)]
    try:
        quant = gguf.GGMLQuantizationType(info.type_id)
        if info.type_name in ("F32", "F16", "F64"):
            values = picked.view(np.dtype(f"<f{info.nbytes // prod(info.shape)}"))
        else:
            values = gguf.quants.dequantize(picked, quant)
    except (NotImplementedError, ValueError) as error:
        refuse(header.path, f"cannot decode the tensor {name!r} of type {info.type_name}", error)
    shape = info.shape if rows is None else (len(picked), info.shape[-1])
    return np.array(values, dtype=np.float32).reshape(shape)


def _array(header: GgufHeader, key: str) -> ArrayRef:
    ref = header.metadata.get(key)
    if not isinstance(ref, ArrayRef):
        refuse(header.path, f"its metadata has no array {key!r}")
    return ref


def _tensor(header: GgufHeader, name: str) -> TensorInfo:
    info = header.tensors.get(name)
    if info is None:
        refuse(header.path, f"it has no tensor {name!r}")
    return info


def _read_at(path: Path, offset: int, nbytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(nbytes)
    except OSError as error:
        raise BackboneError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) != nbytes:
        raise BackboneError(f"{path} shrank while it was read — try again")
    return data


def _split_strings(path: Path, data: bytes, count: int) -> list[bytes]:
    """Split `data` into `count` length-prefixed strings."""
    strings: list[bytes] = []
    pos = 0
    for _ in range(count):
        length = int.from_bytes(data[pos : pos + 8], "little")
        strings.append(data[pos + 8 : pos + 8 + length])
        pos += 8 + length
    if pos != len(data):
        raise BackboneError(f"{path} changed while it was read — try again")
    return strings
