"""The JSON files of a chat export: one file of an unpacked one, or the members of its zip."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from lmort_memory.errors import ImportFileError
from lmort_memory.importers._json_stream import iter_json_list
from lmort_memory.types import JsonValue

__all__ = ["first_element", "json_files", "list_elements"]


def json_files(path: Path, wanted: re.Pattern[str]) -> list[str]:
    """Name the members of a zip whose path ends as wanted, in order; for other files [""].

    Raises:
        OSError: unreadable.
    """
    if path.suffix.lower() != ".zip":
        return [""]
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return []
    hidden = "__MACOSX"  # what the Finder adds beside each member
    return sorted(n for n in names if wanted.search(n) and hidden not in PurePosixPath(n).parts)


def first_element(path: Path, member: str) -> JsonValue:
    """Return the first element of the list in a file; None where there is none."""
    try:
        with _open(path, member) as stream:
            return next(iter_json_list(stream), None)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError):
        return None


def list_elements(path: Path, member: str) -> Iterator[dict[str, JsonValue]]:
    """Yield the objects of the list in a file, in bounded memory.

    Raises:
        ImportFileError: damaged, cut off, encrypted, or not a list of objects.
    """
    where = f"{path}, {member}" if member else str(path)
    try:
        with _open(path, member) as stream:
            for number, element in enumerate(iter_json_list(stream)):
                if not isinstance(element, dict):
                    raise ValueError(f"element {number} is no object")
                yield element
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise ImportFileError(
            f"{where} is damaged: {error} — what came before it was read; export it again",
            path=str(path),
        ) from error


@contextmanager
def _open(path: Path, member: str) -> Iterator[IO[bytes]]:
    if not member:
        with path.open("rb") as stream:
            yield stream
        return
    with zipfile.ZipFile(path) as archive:
        try:
            opened = archive.open(member)
        except RuntimeError as error:  # zipfile's way to say that a password is needed
            raise ValueError(str(error)) from error
        with opened as stream:
            yield stream
