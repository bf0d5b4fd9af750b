"""What an importer is: a name, a strict test, and a function from one file to its turns.

Nothing here knows the store. Reading is lazy, so that a gigabyte of chats never lies in memory.
"""

from __future__ import annotations

import csv
import hashlib
import os
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lmort_memory.errors import ImportFileError
from lmort_memory.text import REPLACEMENT, marked_encoding, valid
from lmort_memory.types import Turn

__all__ = [
    "MAX_TEXT_BYTES",
    "UNFORESEEN",
    "Format",
    "LeftOut",
    "RefusedError",
    "encoding_of",
    "file_uri",
    "fingerprint",
    "read_head",
    "read_text",
    "whole",
]


class LeftOut(Counter[str]):
    """What a reader says beside its turns.

    The counts are of what it passed over, by reason: hidden messages, other branches, attachments.

    Attributes:
        problems: Items that could not be read, each with its reason. The rest of the file was
            read; when it is, `read` raises them as one `ImportFileError`.
        dates: For each source that an export dates: when it was last changed; None where it may
            do so and does not. A source that is stored as it was later is not replaced, so that an
            old export does no harm. It is set before the first turn of the source is given, and
            anew for a second copy of it in the same file, which begins there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.dates: dict[str, datetime | None] = {}

    def fail(self, problem: str) -> None:
        """Take note of an item that cannot be read, and go on."""
        self.problems.append(problem)


class RefusedError(Exception):
    """A file that a format knows and does not read; the text says what would help."""


_UNITS = {"utf-16": 2, "utf-32": 4}  # bytes
MAX_TEXT_BYTES = 64 * 1024 * 1024  # a note is read whole; nothing a person wrote is larger
_FEW_BAD, _BAD_SHARE = 8, 20  # more than both, one in twenty: it is not text with a slip in it


UNFORESEEN = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
    EOFError,
    NotImplementedError,
    AssertionError,  # of html.parser
    SyntaxError,  # of XML
    zlib.error,
    struct.error,
    csv.Error,
    zipfile.BadZipFile,
)
"""What data that nobody has foreseen makes a reader raise: it costs that item, not the import."""


def whole(make: Callable[[], Iterable[Turn]], name: str, left_out: LeftOut) -> list[Turn]:
    """Return the turns of one item of a file; none, and a problem told, where it fails."""
    try:
        return list(make())
    except ImportFileError as error:
        left_out.fail(f"{name}: {str(error).removeprefix(f'{error.path}, {name} ')}")
        return []
    except UNFORESEEN as error:
        left_out.fail(f"{name}: {error or type(error).__name__}")
        return []


@dataclass(frozen=True, slots=True)
class Format:
    """One format of files.

    Attributes:
        name: As shown to the user and kept in each turn's metadata.
        suffixes: Lower-case endings of the names that such files have; no other file is tried.
        matches: Whether the content is of this format. It looks at the beginning only, and says
            False in doubt. It may raise `OSError`, and `RefusedError` to say why a file that it
            knows is not read.
        read: The turns of a file, in order. Turns of one source (see `Turn.source`) follow each
            other without a gap. It raises `ImportFileError` where the file is damaged; an item
            that cannot be read is told to `LeftOut.fail`, and does not end the file.
        version: Counted up when `read` starts to give other turns for the same file, so that the
            next import reads it again.
        restores: It is an export of ours, for `Memory.restore`; `read` is for looking at it.
        companions: Names of files that lie beside such a file and hold no text to remember.
        about: What it is, for a table: one line.
        fallback: It reads what no stricter format with the same suffix has recognised.
        appends: Its turns are messages that carry their own time. A file that lacks some, being
            older or cut off, takes none of them away.
        only_named: It is read where a person names it, and not where a folder holds it.
        longest: Bytes that such a file may have, where it is read whole; a larger one is refused
            before any of it is read.
    """

    name: str
    suffixes: tuple[str, ...]
    matches: Callable[[Path], bool]
    read: Callable[[Path, LeftOut], Iterator[Turn]]
    version: int = 1
    restores: bool = False
    companions: frozenset[str] = frozenset()
    about: str = ""
    fallback: bool = False
    appends: bool = False
    only_named: bool = False
    longest: int | None = None


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
    r"""Read a text file whole, with line ends as "\n" and no byte order mark.

    It is UTF-8, or UTF-16 or UTF-32 with a byte order mark. Bytes that are neither become U+FFFD
    and are counted (see `lmort_memory.text`).

    Raises:
        ImportFileError: unreadable, binary, or larger than `MAX_TEXT_BYTES`.
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
    text = valid(_decode(data))
    bad = text.count(REPLACEMENT)
    if bad > _FEW_BAD and bad > len(text) // _BAD_SHARE:
        raise ImportFileError(
            f"{path} is binary or in another encoding: {bad} of its {len(text)} characters are not"
            " UTF-8 — save it as UTF-8",
            path=str(path),
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def encoding_of(path: Path) -> str:
    """Name the encoding that a file's byte order mark declares, else UTF-8.

    Raises:
        OSError: unreadable.
    """
    with path.open("rb") as stream:
        return marked_encoding(stream.read(4)) or "utf-8-sig"


def read_head(path: Path, size: int = 64 * 1024) -> str:
    """Read the beginning of a text file as `read_text` does, to look at it.

    Raises:
        OSError: unreadable.
    """
    with path.open("rb") as stream:
        data = stream.read(size)
    if wide := marked_encoding(data):
        unit = _UNITS[wide]
        text = data[: len(data) // unit * unit].decode(wide, "replace")
    else:
        text = data.decode("utf-8-sig", "ignore")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes) -> str:
    if wide := marked_encoding(data):
        whole = wide == "utf-16" and len(data) % _UNITS[wide] == 0
        return data.decode(wide, "surrogatepass" if whole else "replace")
    # A crash of the system leaves NULs at the end of a file that was being written.
    return data.rstrip(b"\0").decode("utf-8-sig", "surrogateescape")


def _unreadable(path: Path, error: OSError) -> ImportFileError:
    return ImportFileError(f"{path} cannot be read: {error.strerror or error}", path=str(path))
