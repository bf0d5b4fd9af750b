"""What an importer is: a name, a strict test, and a function from one file to its turns.

Nothing here knows the store. Reading is lazy, so that a gigabyte of chats never lies in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lmort_memory.errors import ImportFileError
from lmort_memory.types import Turn

__all__ = ["MAX_TEXT_BYTES", "Format", "LeftOut", "file_uri", "fingerprint", "read_text"]

LeftOut: TypeAlias = "Counter[str]"
"""What a reader passed over, by reason: hidden messages, other branches, attachments."""

MAX_TEXT_BYTES = 64 * 1024 * 1024  # a note is read whole; nothing a person wrote is larger


@dataclass(frozen=True, slots=True)
class Format:
    """One format of files.

    Attributes:
        name: As shown to the user and kept in each turn's metadata.
        suffixes: Lower-case endings that the format may have; no other file is tried.
        matches: Whether the content is of this format. It looks at the beginning only, and says
            False in doubt. It may raise `OSError`.
        read: The turns of a file, in order. Turns of one source (see `Turn.source`) follow each
            other without a gap. It raises `ImportFileError` where the file is damaged.
        version: Counted up when `read` starts to give other turns for the same file, so that the
            next import reads it again.
        restores: It is an export of ours, for `Memory.restore`; `read` is for looking at it.
        companions: Names of files that lie beside such a file and hold no text to remember.
    """

    name: str
    suffixes: tuple[str, ...]
    matches: Callable[[Path], bool]
    read: Callable[[Path, LeftOut], Iterator[Turn]]
    version: int = 1
    restores: bool = False
    companions: frozenset[str] = frozenset()


def file_uri(path: Path) -> str:
    """Name a file as a source: its absolute path, links not followed."""
    return os.path.abspath(path)  # noqa: PTH100  Path.resolve would follow links


def fingerprint(path: Path, form: Format) -> str:
    """Hash a file's bytes together with the reader that will read them.

    Raises:
        ImportFileError: the file cannot be read.
    """
    digest = hashlib.sha256(f"{form.name} {form.version}\n".encode())
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def read_text(path: Path) -> str:
    r"""Read a UTF-8 text file whole, with line ends as "\n" and no byte order mark.

    Raises:
        ImportFileError: unreadable, binary, not UTF-8, or larger than `MAX_TEXT_BYTES`.
    """
    try:
        size = path.stat().st_size
        if size > MAX_TEXT_BYTES:
            raise ImportFileError(
                f"{path} has {size} bytes, a text may have {MAX_TEXT_BYTES} — split it",
                path=str(path),
            )
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    return _decode(path, data)


def _decode(path: Path, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ImportFileError(f"{path} is UTF-16, not UTF-8 — save it as UTF-8", path=str(path))
    if b"\0" in data:
        raise ImportFileError(f"{path} is binary: it holds NUL bytes", path=str(path))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportFileError(
            f"{path} is not UTF-8: bad byte at offset {error.start} — save it as UTF-8",
            path=str(path),
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _unreadable(path: Path, error: OSError) -> ImportFileError:
    return ImportFileError(f"{path} cannot be read: {error.strerror or error}", path=str(path))
