"""The GGUF container: its metadata and the place of each tensor. Never loads the weights.

Every file is treated as hostile: counts and lengths are checked against the file's size before
anything is allocated or skipped, and a file shorter than its header promises is refused here,
before llama.cpp maps it. The rules are those of ggml's reader (gguf.cpp) or stricter. `tensors.py`
reads the data, `facts.py` interprets the metadata.
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

from lmort_memory.errors import BackboneError

__all__ = [
    "ArrayRef",
    "GgufHeader",
    "GgufValue",
    "TensorInfo",
    "read_header",
    "refuse",
]

# Far above any real model (most have 30 keys and 300 tensors, the largest unfused mixtures of
# experts about 40,000 tensors), yet low enough to bound the memory of a hostile header.
_MAX_KEYS = 1 << 16
_MAX_TENSORS = 1 << 17
_MAX_KEY_BYTES = (1 << 16) - 1  # the GGUF specification's own limit
_MAX_TENSOR_NAME_BYTES = 63  # GGML_MAX_NAME with its final zero
_MAX_TEXT_BYTES = 1 << 26  # one text value; chat templates have some ten thousand
_MAX_DIMS = 4  # GGML_MAX_DIMS

_BOOL, _STRING, _ARRAY = 7, 8, 9  # gguf_type
SCALARS: Final = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    _BOOL: struct.Struct("<b"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_Q2_0 = (42, "Q2_0", 64, 18)  # in this llama.cpp, not yet in the gguf package


@dataclass(frozen=True, slots=True)
class ArrayRef:
    """The place of a metadata array in the file; `read_array` reads its values.

    Attributes:
        item_type: The gguf_type of the items; 8 is a string.
        count: Number of items.
        offset: Absolute position of the first item in the file, in bytes.
        nbytes: Size of the items in bytes, including the length prefixes of strings.
    """

    item_type: int
    count: int
    offset: int
    nbytes: int

    @property
    def is_text(self) -> bool:
        """Whether the items are strings."""
        return self.item_type == _STRING

    @property
    def is_integer(self) -> bool:
        """Whether the items are integers, signed or not."""
        return self.item_type in (0, 1, 2, 3, 4, 5, 10, 11)


GgufValue: TypeAlias = bool | int | float | str | ArrayRef


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What the header says about one tensor.

    Attributes:
        shape: In NumPy's order, rows first: a matrix is (n_out, n_in). GGUF stores the reverse.
        type_id: The ggml_type.
        type_name: Its name, such as "F16" or "Q4_K".
        offset: Absolute position of the data in the file, in bytes.
        nbytes: Size of the data in bytes; `read_header` has checked that it lies inside the file.
    """

    name: str
    shape: tuple[int, ...]
    type_id: int
    type_name: str
    offset: int
    nbytes: int

    @property
    def n_rows(self) -> int:
        """Number of rows: the product of all dimensions but the last."""
        return prod(self.shape[:-1])


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The header of a GGUF file: metadata by key and tensors by name, both in file order.

    Attributes:
        size_bytes: Size of the whole file.
        alignment: Alignment of the tensor data in bytes.
    """

    path: Path
    size_bytes: int
    version: int
    alignment: int
    metadata: Mapping[str, GgufValue]
    tensors: Mapping[str, TensorInfo]

    @property
    def n_parameters(self) -> int:
        """Number of values in all tensors."""
        return sum(prod(tensor.shape) for tensor in self.tensors.values())


def read_header(path: str | Path) -> GgufHeader:
    """Read the header of a GGUF file and check that all its tensors are inside the file.

    Takes milliseconds for a model of any size: strings of long arrays are skipped, not decoded.
    Never blocks, not even on a pipe or device.

    Raises:
        BackboneError: the file is missing, not a regular file, not GGUF version 2 or 3, damaged,
            or truncated.
    """
    path = Path(path)
    fd = _open_regular(path)
    try:
        size = os.fstat(fd).st_size
        if size < 4:
            refuse(path, f"it is only {size} bytes long")
        with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data:
            return _Reader(path, data).header()
    except OSError as error:
        raise BackboneError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(fd)


class _Reader:
    """A cursor over the mapped file that refuses to read past its end."""

    __slots__ = ("data", "path", "pos", "size")

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.data = data
        self.size = len(data)
        self.pos = 0

    def header(self) -> GgufHeader:
        version = self._version()
        n_tensors, n_keys = self._number(_U64), self._number(_U64)
        if n_tensors > _MAX_TENSORS or n_keys > _MAX_KEYS:
            refuse(
                self.path,
                f"it declares {n_tensors} tensors and {n_keys} keys; at most {_MAX_TENSORS} and "
                f"{_MAX_KEYS} are accepted",
            )
        metadata: dict[str, GgufValue] = {}
        for _ in range(n_keys):
            key = self._text("a key", _MAX_KEY_BYTES)
            if not key or key in metadata:
                refuse(self.path, f"the key {key!r} is empty or appears twice")
            metadata[key] = self._value(key)
        alignment = self._alignment(metadata)
        tensors = self._tensors(n_tensors, alignment)
        return GgufHeader(self.path, self.size, version, alignment, metadata, tensors)

    def _version(self) -> int:
        magic = self.data[:4]
        if magic in (b"lmgg", b"tjgg", b"fmgg", b"algg"):
            refuse(self.path, "it has the GGML format used before August 2023, not GGUF")
        if magic != b"GGUF":
            refuse(self.path, f"it starts with {magic!r}, not with b'GGUF'")
        self.pos = 4
        version = self._number(_U32)
        if version not in (2, 3):
            kind = "big-endian" if version & 0xFFFF == 0 and version else f"version {version}"
            refuse(self.path, f"it is a {kind} GGUF; expected little-endian version 2 or 3")
        return version

    def _number(self, kind: struct.Struct) -> int:
        end = self.pos + kind.size
        if end > self.size:
            refuse(self.path, f"it ends inside its header, after {self.size} bytes")
        (value,) = kind.unpack_from(self.data, self.pos)
        self.pos = end
        return value  # type: ignore[no-any-return]  # every format here is one number

    def _text(self, what: str, limit: int) -> str:
        length = self._number(_U64)
        if length > min(limit, self.size - self.pos):
            refuse(self.path, f"{what} claims a length of {length} bytes")
        raw = self.data[self.pos : self.pos + length]
        self.pos += length
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            refuse(self.path, f"{what} is not valid UTF-8", error)

    def _value(self, key: str) -> GgufValue:
        kind = self._number(_U32)
        if kind == _STRING:
            return self._text(f"the value of {key!r}", _MAX_TEXT_BYTES)
        if kind == _ARRAY:
            return self._array(key)
        if kind not in SCALARS:
            refuse(self.path, f"the value of {key!r} has the unknown type {kind}")
        number = self._number(SCALARS[kind])
        return number != 0 if kind == _BOOL else number

    def _array(self, key: str) -> ArrayRef:
        kind, count = self._number(_U32), self._number(_U64)
        if kind != _STRING and kind not in SCALARS:
            refuse(
                self.path, f"the array {key!r} has items of type {kind}; expected numbers or text"
            )
        item = _U64.size if kind == _STRING else SCALARS[kind].size
        start = self.pos
        if count > (self.size - start) // item:
            refuse(self.path, f"the array {key!r} claims {count} items, more than fit in the file")
        if kind == _STRING:
            self.pos = self._after_strings(key, count)
        else:
            self.pos = start + count * item
        return ArrayRef(kind, count, start, self.pos - start)

    def _after_strings(self, key: str, count: int) -> int:
        """Return the position after `count` strings; a tight loop, as there can be 500,000."""
        pos, data, unpack_from = self.pos, self.data, _U64.unpack_from
        try:
            for _ in range(count):
                pos += 8 + unpack_from(data, pos)[0]
        except (struct.error, OverflowError):  # a length led past the end
            pos = self.size + 1
        if pos > self.size:
            refuse(self.path, f"the strings of the array {key!r} run past the end of the file")
        return pos

    def _alignment(self, metadata: Mapping[str, GgufValue]) -> int:
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
            refuse(self.path, f"its alignment is {alignment!r}; expected a power of two")
        if alignment & (alignment - 1):
            refuse(self.path, f"its alignment is {alignment}; expected a power of two")
        return alignment

    def _tensors(self, count: int, alignment: int) -> dict[str, TensorInfo]:
        """Read the tensor list; like ggml, require the data to be gapless and in list order."""
        entries = [self._tensor_entry() for _ in range(count)]
        start = -(-self.pos // alignment) * alignment
        tensors: dict[str, TensorInfo] = {}
        expected = 0
        for name, shape, type_id, offset in entries:
            if name in tensors:
                refuse(self.path, f"the tensor {name!r} appears twice")
            if offset != expected:
                refuse(self.path, f"the tensor {name!r} is at {offset}; expected {expected}")
            type_name, nbytes = self._storage(name, shape, type_id)
            if start + offset + nbytes > self.size:
                refuse(
                    self.path,
                    f"it is truncated: the tensor {name!r} ends at byte {start + offset + nbytes}, "
                    f"but the file ends at byte {self.size}",
                )
            tensors[name] = TensorInfo(name, shape, type_id, type_name, start + offset, nbytes)
            expected = offset + -(-nbytes // alignment) * alignment
        return tensors

    def _tensor_entry(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self._text("a tensor's name", _MAX_TENSOR_NAME_BYTES)
        n_dims = self._number(_U32)
        if not name or not 1 <= n_dims <= _MAX_DIMS:
            refuse(self.path, f"the tensor {name!r} has {n_dims} dimensions; expected 1 to 4")
        shape = tuple(self._number(_U64) for _ in range(n_dims))[::-1]
        return name, shape, self._number(_U32), self._number(_U64)

    def _storage(self, name: str, shape: tuple[int, ...], type_id: int) -> tuple[str, int]:
        """Return the type's name and the tensor's size in bytes."""
        if type_id not in _tensor_types():
            refuse(self.path, f"the tensor {name!r} has the unknown type {type_id}")
        type_name, block, block_bytes = _tensor_types()[type_id]
        if 0 in shape or shape[-1] % block:
            refuse(
                self.path,
                f"the tensor {name!r} of type {type_name} has the shape {shape}; row length must "
                f"be a positive multiple of {block}",
            )
        return type_name, prod(shape) // block * block_bytes


@lru_cache(maxsize=1)
def _tensor_types() -> dict[int, tuple[str, int, int]]:
    """Return ggml_type -> (name, values in a block, bytes of a block)."""
    from gguf import GGML_QUANT_SIZES

    known = {int(kind): (str(kind.name), *sizes) for kind, sizes in GGML_QUANT_SIZES.items()}
    return {_Q2_0[0]: _Q2_0[1:], **known}


def _open_regular(path: Path) -> int:
    """Open a regular file for reading; a pipe or device is refused without waiting for it."""
    try:
        # O_NONBLOCK: opening a FIFO for reading would wait for a writer.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        raise BackboneError(f"there is no model file at {path} — check the path") from error
    except (OSError, ValueError) as error:
        raise BackboneError(f"{path} cannot be opened: {error}") from error
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise BackboneError(
            f"{path} is a folder, not a GGUF file — to convert a Hugging Face checkpoint of "
            "GPT-2 or GPT-J, run: lmort-mem model convert FOLDER OUT.gguf"
        )
    raise BackboneError(f"{path} is a pipe or device, not a GGUF file — pass a regular file")


def refuse(path: Path, why: str, cause: Exception | None = None) -> NoReturn:
    """Raise BackboneError: this is not a usable GGUF file, because of `why`."""
    raise BackboneError(
        f"{path} is not a usable GGUF file: {why} — download or convert the model again"
    ) from cause
