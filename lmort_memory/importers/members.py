"""The members of a zip: opened once, read one after the other, none of them larger than a text."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from lmort_memory.errors import ImportFileError
from lmort_memory.importers.format import MAX_TEXT_BYTES, LeftOut

__all__ = ["Members", "count_others", "member_names", "opened_zip"]

_ASIDE = re.compile(r"(?:^|/)(?:__MACOSX/|\.DS_Store$|Thumbs\.db$)")


class Members:
    """The files in a zip, without the rubbish that file managers add."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive = archive
        self._path = path
        self.names = _names(archive)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a member for reading.

        Raises:
            ImportFileError: it is encrypted or damaged.
        """
        try:
            with self._archive.open(name) as stream:
                yield stream
        except (
            RuntimeError,  # zipfile's way to say that a password is needed
            EOFError,
            NotImplementedError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise ImportFileError(
                f"{self._path}, {name} cannot be read: {error} — export it again",
                path=str(self._path),
            ) from error

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
        r"""Read a member as UTF-8, bytes that are not replaced, with "\n" at the ends of lines."""
        text = self.read(name).decode("utf-8-sig", "replace")
        return text.replace("\r\n", "\n").replace("\r", "\n")


@contextmanager
def opened_zip(path: Path) -> Iterator[Members]:
    """Open a zip.

    Raises:
        ImportFileError: it is no zip.
        OSError: unreadable.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ImportFileError(
            f"{path} is no readable zip: {error} — export it again", path=str(path)
        ) from error
    with archive:
        yield Members(archive, path)


def member_names(path: Path) -> list[str]:
    """Name the files in a zip, in order; none of what is no zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _names(archive)
    except (zipfile.BadZipFile, NotImplementedError):
        return []


def _names(archive: zipfile.ZipFile) -> list[str]:
    names = (info.filename for info in archive.infolist() if not info.is_dir())
    return sorted(name for name in names if not _ASIDE.search(name))


def count_others(names: Iterator[str] | list[str], left_out: LeftOut) -> None:
    """Count members that are not read, by what they are."""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    for kind, count in kinds.items():
        left_out[f"file in the zip ({kind})"] += count
