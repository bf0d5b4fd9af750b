"""Files that may be gzipped, UTF-16 or UTF-32, read as UTF-8 within bounds.

A small file cannot expand without end. PowerShell's `>` and Notepad write UTF-16.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from lmort_memory.text import marked_encoding

__all__ = ["DAMAGE", "FREE_BYTES", "MAX_RATIO", "Bounded", "Lines", "open_bytes"]

MAX_RATIO = 100  # text compresses 3 to 20 times; a bomb some 1,000 times
FREE_BYTES = 64 * 1024 * 1024  # any file may expand to this

DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading damaged compressed data raises, besides `ValueError` and `OSError`."""


class Lines(Protocol):
    """What bytes and lines are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end."""

    def readline(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes of the line, none at the end."""


class Bounded:
    """A stream that refuses to give far more than its compressed size.

    Args:
        stream: What gives the expanded bytes.
        compressed_bytes: The size that they have in the file.
    """

    def __init__(self, stream: Lines, compressed_bytes: int) -> None:
        self._stream = stream
        self._left = max(FREE_BYTES, compressed_bytes * MAX_RATIO)

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes.

        Raises:
            ValueError: the data expands beyond the bound.
        """
        return self._counted(self._stream.read(size))

    def readline(self, size: int = -1, /) -> bytes:
        """Read up to the end of the line; raises as `read`."""
        return self._counted(self._stream.readline(size))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(
                f"it expands to more than {MAX_RATIO} times its size and more than"
                f" {FREE_BYTES // 1024**2} MiB, as no text does"
            )
        return data


class _FromWide(io.RawIOBase):
    """Text of UTF-16 or UTF-32 as UTF-8; what is not valid becomes U+FFFD."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        while not self._ready:
            block = self._stream.read(io.DEFAULT_BUFFER_SIZE)
            self._ready = self._decoder.decode(block, final=not block).encode()
            if not block:
                break
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


@contextmanager
def open_bytes(path: Path) -> Iterator[Lines]:
    """Open a file for reading, as UTF-8 and expanded if it is gzipped, whatever its name.

    Raises:
        OSError: unreadable.
    """
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if wide := marked_encoding(magic):
            yield io.BufferedReader(_FromWide(raw, wide))
            return
        if not magic.startswith(b"\x1f\x8b"):
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as stream:
            yield Bounded(stream, path.stat().st_size)
