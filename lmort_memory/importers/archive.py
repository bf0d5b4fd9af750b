"""The JSON files of a chat export: one file of an unpacked one, or the members of its zip."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from lmort_memory.compressed import Bounded, Lines
from lmort_memory.errors import ImportFileError
from lmort_memory.importers.format import LeftOut
from lmort_memory.importers.json_stream import iter_json_list
from lmort_memory.types import JsonValue

__all__ = ["ZIP_DAMAGE", "Member", "first_elements", "members"]

MAX_MEMBERS = 100_000  # files in one zip
_LOOKED_AT = 20  # members whose beginning tells a format

ZIP_DAMAGE = (
    ValueError,  # UnicodeDecodeError of a name among them
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,  # of a later version, or another compression
    RuntimeError,  # zipfile's way to say that a password is needed
)
"""What reading a damaged or hostile zip raises, besides `OSError`."""


class Member:
    """One JSON file of an export, open in its archive.

    Attributes:
        name: Its path inside the zip, "" for a file that is not in one.
    """

    def __init__(self, path: Path, name: str, archive: zipfile.ZipFile | None = None) -> None:
        self.name = name
        self._path = path
        self._archive = archive

    def first(self) -> JsonValue:
        """Return the first element of the list, or the lone object; None where there is none."""
        try:
            with self._open() as stream:
                return next(iter_json_list(stream), None)
        except ZIP_DAMAGE:
            return None

    def elements(self, damaged: Callable[[str], None]) -> Iterator[dict[str, JsonValue]]:
        """Yield the objects of the list, or the lone object, in bounded memory.

        `damaged` is told of an element that cannot be read, and of damage that ends the list.
        """
        try:
            with self._open() as stream:
                for number, element in enumerate(iter_json_list(stream, damaged=damaged), 1):
                    if isinstance(element, dict):
                        yield element
                    elif element is not None:
                        damaged(f"{self._named}element {number} is no object")
        except ZIP_DAMAGE as error:
            damaged(f"{self._named}the file is damaged: {error}")

    @property
    def _named(self) -> str:
        return f"{self.name}: " if self.name else ""

    @contextmanager
    def _open(self) -> Iterator[Lines]:
        if self._archive is None:
            with self._path.open("rb") as stream:
                yield stream
            return
        with self._archive.open(self.name) as member:
            yield Bounded(member, self._archive.getinfo(self.name).compress_size)


@contextmanager
def members(
    path: Path, wanted: re.Pattern[str], left_out: LeftOut | None = None
) -> Iterator[list[Member]]:
    """Open the members of a zip whose path ends as wanted, in order; another file is its own one.

    Args:
        path: The zip, or a JSON file.
        wanted: Searched in the path of each member.
        left_out: Told of the members that are not wanted, as a scan tells of files in a folder.

    Raises:
        ImportFileError: the zip cannot be opened, or has too many members.
        OSError: unreadable.
    """
    if path.suffix.lower() != ".zip":
        yield [Member(path, "")]
        return
    try:
        archive = zipfile.ZipFile(path)
    except ZIP_DAMAGE as error:
        raise ImportFileError(f"{path} is a damaged zip: {error}", path=str(path)) from error
    with archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) > MAX_MEMBERS:
            raise ImportFileError(
                f"{path} has {len(names)} members, a zip may have {MAX_MEMBERS} — unpack it",
                path=str(path),
            )
        found = sorted({name for name in names if wanted.search(name) and not _is_hidden(name)})
        if left_out is not None:
            _count_others(names, set(found), left_out)
        yield [Member(path, name, archive) for name in found]


def first_elements(path: Path, wanted: re.Pattern[str]) -> list[JsonValue]:
    """Return the first element of each of the first members, as `Member.first` does."""
    with members(path, wanted) as found:
        return [member.first() for member in found[:_LOOKED_AT]]


def _is_hidden(name: str) -> bool:
    """Whether a member is one that a system adds beside what was packed."""
    return any(part == "__MACOSX" or part.startswith(".") for part in PurePosixPath(name).parts)


def _count_others(names: list[str], found: set[str], left_out: LeftOut) -> None:
    for name in names:
        if name not in found and not _is_hidden(name):
            suffix = PurePosixPath(name).suffix.lower() or "file without a suffix"
            left_out[f"{suffix} in the zip"] += 1
