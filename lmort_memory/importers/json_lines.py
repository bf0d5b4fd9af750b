"""Files of one JSON object a line, gzipped or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from lmort_memory.compressed import DAMAGE, Lines, open_bytes
from lmort_memory.errors import ImportFileError
from lmort_memory.importers.json_fields import Object
from lmort_memory.importers.json_stream import MAX_ELEMENT_CHARS
from lmort_memory.types import JsonValue

__all__ = ["first_objects", "line_objects"]

_LINES_LOOKED_AT = 20
_BYTES_LOOKED_AT = 4 * MAX_ELEMENT_CHARS  # a sparse file is one line of any length
_BLOCK = 1 << 20


def first_objects(path: Path, *, lines: int = _LINES_LOOKED_AT) -> list[Object]:
    """Return the objects of the first lines; those that cannot be read are passed over."""
    found: list[Object] = []
    with suppress(ImportFileError):
        for _, value in islice(_objects(path, _ignore, most=_BYTES_LOOKED_AT), lines):
            found.append(value)
    return found


def line_objects(
    path: Path, damaged: Callable[[str], None], *, tail_may_be_cut: bool = False
) -> Iterator[tuple[int, Object]]:
    """Yield each object with the number of its line, from 1. Empty lines are passed over.

    Bytes that are not UTF-8 come out as lone surrogates, which `lmort_memory.text.valid` replaces
    and counts.

    Args:
        path: The file.
        damaged: Told of each line that is not a JSON object, or too long; the rest is read.
        tail_may_be_cut: Accept a last line without its end, as of a log that is being written.

    Raises:
        ImportFileError: compressed data is damaged or expands without end.
        OSError: unreadable.
    """
    return _objects(path, damaged, tail_may_be_cut=tail_may_be_cut)


def _objects(
    path: Path,
    damaged: Callable[[str], None],
    *,
    tail_may_be_cut: bool = False,
    most: int | None = None,
) -> Iterator[tuple[int, Object]]:
    """Yield the objects, as `line_objects`; no line that begins after about `most` bytes."""
    try:
        with open_bytes(path) as stream:
            for number, line in enumerate(_lines(stream, most), 1):
                if line is None:
                    damaged(f"line {number} is longer than {MAX_ELEMENT_CHARS} bytes")
                elif content := _content(line):
                    try:
                        yield number, _object(content)
                    except (ValueError, RecursionError) as error:
                        if not tail_may_be_cut or line.endswith(b"\n"):
                            damaged(f"line {number} cannot be read: {_reason(error)}")
                elif line.strip():
                    damaged(f"line {number} holds nothing but NUL bytes")
    except (ValueError, *DAMAGE) as error:
        raise ImportFileError(
            f"{path} is damaged: {error} — what came before it was read", path=str(path)
        ) from error


def _lines(stream: Lines, most: int | None) -> Iterator[bytes | None]:
    """Yield the lines, None for one that is too long; `most` as in `_objects`."""
    read = 0
    while (most is None or read < most) and (line := stream.readline(MAX_ELEMENT_CHARS)):
        read += len(line)
        if len(line) < MAX_ELEMENT_CHARS or line.endswith(b"\n"):
            yield line
            continue
        while (most is None or read < most) and (rest := stream.readline(_BLOCK)):
            read += len(rest)
            if rest.endswith(b"\n"):
                break
        yield None


def _content(line: bytes) -> str:
    """Return what a line says: NULs around it are what a crash leaves in a file."""
    return line.decode("utf-8", "surrogateescape").lstrip("\ufeff").strip("\0 \t\r\n")


def _object(line: str) -> Object:
    value: JsonValue = json.loads(line, strict=False)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value


def _reason(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _ignore(_: str) -> None:
    """Pass over what cannot be read."""
