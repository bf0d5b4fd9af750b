"""A reader for safetensors files that treats every file as hostile and reads only rows.

The format: eight bytes with the length of a JSON header, the header (name to dtype, shape and
[begin, end) in the data), the data.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.convert.jsonfile import parse_object

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SafetensorsFile"]

_MAX_HEADER_BYTES = 1 << 24  # GPT-J's is 40 KB
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
# Causal masks that old checkpoints carry along; they are not read, so any dtype will do.
_UNREAD = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "I32": 4, "I64": 8}


@dataclass(frozen=True, slots=True)
class _Entry:
    dtype: str
    shape: tuple[int, ...]
    offset: int  # absolute, in bytes


class SafetensorsFile:
    """The tensors of one safetensors file.

    Raises:
        BackboneError: the file is damaged, truncated, or not in this format.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._entries = self._read_entries()
        except OSError as error:
            raise BackboneError(f"{path} cannot be read: {error.strerror}") from error

    def names(self) -> Collection[str]:
        """Names of all tensors."""
        return self._entries.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor; KeyError if there is none with this name."""
        return self._entries[name].shape

    def rows(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        """Read rows [start, stop) along the first axis, as float32.

        Raises:
            BackboneError: the tensor does not hold floats, or the file changed.
        """
        import numpy as np

        entry = self._entries[name]
        if entry.dtype not in _DTYPES:
            self._refuse(f"the tensor {name!r} has the type {entry.dtype}; expected floats")
        dtype = np.dtype(_DTYPES[entry.dtype])
        row = prod(entry.shape[1:])
        count = (stop - start) * row
        raw = np.fromfile(
            self._path, dtype, count=count, offset=entry.offset + start * row * dtype.itemsize
        )
        if raw.size != count:
            self._refuse("it became shorter while it was read")
        if entry.dtype == "BF16":  # the upper half of a float32
            raw = (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return raw.astype(np.float32, copy=False).reshape(stop - start, *entry.shape[1:])

    def _read_entries(self) -> dict[str, _Entry]:
        size = self._path.stat().st_size
        with self._path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size - 8, _MAX_HEADER_BYTES):
                self._refuse(f"its header claims {length} bytes, but the file has {size}")
            header = parse_object(file.read(length), self._path)
        header.pop("__metadata__", None)
        return {
            name: self._entry(name, fields, data_start=8 + length, size=size)
            for name, fields in header.items()
        }

    def _entry(self, name: str, fields: Any, *, data_start: int, size: int) -> _Entry:  # noqa: ANN401
        try:
            dtype, shape, (begin, end) = fields["dtype"], fields["shape"], fields["data_offsets"]
        except (TypeError, KeyError, ValueError) as error:
            self._refuse(f"the entry of {name!r} is incomplete", error)
        item = _item_bytes(dtype)
        if item is None:
            self._refuse(f"the tensor {name!r} has the unknown type {dtype!r}")
        numbers = [begin, end, *shape] if isinstance(shape, list) else [None]
        if not all(type(number) is int and number >= 0 for number in numbers):
            self._refuse(f"the tensor {name!r} has the shape {shape!r} at {begin!r} to {end!r}")
        if end - begin != prod(shape) * item or data_start + end > size:
            self._refuse(
                f"the tensor {name!r} of shape {shape} claims bytes {begin} to {end}, but the file "
                f"has {size - data_start} — is it truncated?"
            )
        return _Entry(dtype, tuple(shape), data_start + begin)

    def _refuse(self, why: str, cause: Exception | None = None) -> NoReturn:
        raise BackboneError(
            f"{self._path} is not a usable safetensors file: {why} — download it again"
        ) from cause


def _item_bytes(dtype: object) -> int | None:
    if not isinstance(dtype, str):
        return None
    return int(_DTYPES[dtype][2:]) if dtype in _DTYPES else _UNREAD.get(dtype)
