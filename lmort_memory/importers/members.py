"""The members of a zip: opened once, read one after the other, within bounds."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath

from lmort_memory.compressed import Bounded
from lmort_memory.errors import ImportFileError
from lmort_memory.importers.format import MAX_TEXT_BYTES, LeftOut
from lmort_memory.text import marked_encoding

__all__ = ["ZIP_DAMAGE", "Members", "member_names", "opened_zip"]

MAX_MEMBERS = 100_000  # files in one zip
_NO_YEAR = 1980
_ENCRYPTED = 1  # a bit of a member's flags
_DRIVE = re.compile(r"^[A-Za-z]:(?=/)")
_ASIDE = re.compile(r"(?:^|/)(?:__MACOSX/|\.[^/]|Thumbs\.db$)")  # of systems, not of the user

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


class Members:
    """The files in a zip, without what systems add beside them.

    Attributes:
        names: Their paths in the zip, in order; relative, with slashes, and inside of it.
    """

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive = archive
        self._path = path
        self._infos, self._replaced = _by_name(archive, path)
        self.names = tuple(sorted(self._infos))

    @contextmanager
    def stream(self, name: str) -> Iterator[Bounded]:
        """Open a member for reading; what is wrong with it raises one of `ZIP_DAMAGE`."""
        info = self._infos[name]
        if info.flag_bits & _ENCRYPTED:  # zipfile's own message shows the whole entry
            raise RuntimeError("it is encrypted, and a password is needed")
        with self._archive.open(info) as member:
            yield Bounded(member, info.compress_size)

    @contextmanager
    def open(self, name: str) -> Iterator[Bounded]:
        """Open a member for reading.

        Raises:
            ImportFileError: it is encrypted or damaged.
        """
        try:
            with self.stream(name) as stream:
                yield stream
        except ZIP_DAMAGE as error:
            raise ImportFileError(
                f"{self._path}, {name} cannot be read: {error} — export it again",
                path=str(self._path),
            ) from error

    def written(self, name: str) -> datetime | None:
        """Return when a member was written; None where the zip does not say."""
        moment = self._infos[name].date_time
        try:
            # 1980 is what writers without a clock put.
            return datetime(*moment).astimezone() if moment[0] > _NO_YEAR else None
        except (ValueError, OverflowError):
            return None

    def read(self, name: str) -> bytes:
        """Read a member whole.

        Raises:
            ImportFileError: it is encrypted, damaged, or unpacks to more than `MAX_TEXT_BYTES`.
        """
        with self.open(name) as stream:
            data = stream.read(MAX_TEXT_BYTES + 1)
        if len(data) > MAX_TEXT_BYTES:
            raise ImportFileError(
                f"{self._path}, {name} unpacks to more than {MAX_TEXT_BYTES} bytes — split it",
                path=str(self._path),
            )
        return data

    def text(self, name: str) -> str:
        r"""Read a member as its byte order mark says, else UTF-8, with "\n" at the ends of lines.

        What is not valid becomes U+FFFD.
        """
        data = self.read(name)
        text = data.decode(marked_encoding(data) or "utf-8-sig", "replace")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def count_others(self, used: Iterable[str], left_out: LeftOut) -> None:
        """Count the members that are not used, by what they are."""
        others = map(PurePosixPath, self._infos.keys() - set(used))
        kinds = Counter(other.suffix.lower() or "no suffix" for other in others)
        for kind, count in kinds.items():
            left_out[f"file in the zip ({kind})"] += count
        left_out["earlier file of the same name in the zip"] += self._replaced


@contextmanager
def opened_zip(path: Path) -> Iterator[Members]:
    """Open a zip.

    Raises:
        ImportFileError: it cannot be opened, or has too many members.
        OSError: unreadable.
    """
    try:
        archive = zipfile.ZipFile(path)
    except ZIP_DAMAGE as error:
        raise ImportFileError(f"{path} is a damaged zip: {error}", path=str(path)) from error
    with archive:
        yield Members(archive, path)


def member_names(path: Path) -> tuple[str, ...]:
    """Name the files in a zip, in order.

    A zip is opened once, however many formats ask. Raises as `opened_zip` does.
    """
    stat = path.stat()
    return _known_names(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=8)
def _known_names(path: Path, size: int, written: int) -> tuple[str, ...]:
    with opened_zip(path) as members:
        return members.names


def _by_name(archive: zipfile.ZipFile, path: Path) -> tuple[dict[str, zipfile.ZipInfo], int]:
    """Return the members by name, and how many there are behind the last one of each name."""
    named = [(_clean(info.filename), info) for info in archive.infolist()]
    files = [(name, info) for name, info in named if name and not name.endswith("/")]
    if len(files) > MAX_MEMBERS:
        raise ImportFileError(
            f"{path} has {len(files)} members, a zip may have {MAX_MEMBERS} — unpack it",
            path=str(path),
        )
    wanted = [(name, info) for name, info in files if not _ASIDE.search(name)]
    found = dict(wanted)  # of one name the last one counts: adding to a zip replaces so
    return found, len(wanted) - len(found)


def _clean(name: str) -> str:
    """Return a member's path as it would be unpacked: tools of Windows write it in their way."""
    steps = _DRIVE.sub("", name.replace("\\", "/")).split("/")
    return "/".join([step for step in steps[:-1] if step not in ("", ".", "..")] + steps[-1:])
