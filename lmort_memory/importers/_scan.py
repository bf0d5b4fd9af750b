"""Find the files to import and say of each what it is, or why it is passed over."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lmort_memory.errors import ImportFileError
from lmort_memory.importers._format import Format, LeftOut
from lmort_memory.paths import expanded
from lmort_memory.types import Turn

__all__ = ["FoundFile", "PassedOver", "ScanReport", "read_file", "scan_paths"]

_HEAD_BYTES = 8192


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that one format has recognised."""

    path: Path
    format: Format
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file or folder that is not imported.

    Attributes:
        path: Where it is, absolute.
        reason: Why.
        kind: "aside" was never text to remember: hidden, binary, a companion of an export.
            "unknown" is of no known format and was found in a folder: the user should see its
            name. "problem" is what may have been meant and cannot be read.
    """

    path: str
    reason: str
    kind: Literal["aside", "unknown", "problem"]


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What `scan` has found.

    Attributes:
        files: What can be imported, in order of path.
        passed_over: What cannot.
        roots: The folders that were looked through, absolute.
        unseen: Folders that could not be looked into, absolute. What is in them is unknown, so
            nothing in them counts as deleted.
    """

    files: tuple[FoundFile, ...]
    passed_over: tuple[PassedOver, ...]
    roots: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size_bytes for file in self.files)


def scan_paths(paths: Iterable[str | Path], formats: tuple[Format, ...]) -> ScanReport:
    """Look through files and folders; see `lmort_memory.importers.scan`."""
    scan = _Scan(formats)
    for path in paths:
        scan.add_named(Path(os.path.abspath(expanded(path))))  # noqa: PTH100  keeps links
    files = tuple(scan.files[path] for path in sorted(scan.files))
    return ScanReport(files, tuple(scan.passed_over), tuple(scan.roots), tuple(scan.unseen))


def read_file(file: FoundFile, left_out: LeftOut) -> Iterator[Turn]:
    """Read the turns of a file; see `lmort_memory.importers.read`."""
    try:
        yield from file.format.read(file.path, left_out)
    except OSError as error:
        raise ImportFileError(
            f"{file.path} cannot be read: {error.strerror or error}", path=str(file.path)
        ) from error


@dataclass(slots=True)
class _Scan:
    formats: tuple[Format, ...]
    files: dict[str, FoundFile] = field(default_factory=dict)
    passed_over: list[PassedOver] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def add_named(self, path: Path) -> None:
        """Take in what the user has named: a file among it must be one that we know."""
        if path.is_dir() and _named(path) == str(path):
            self.roots.append(str(path))
            self._add_folder(path)
            return
        found = self._examine(path) if path.exists() else _problem(path, "there is no such file")
        if isinstance(found, PassedOver):
            raise ImportFileError(
                f"{found.path} cannot be imported: {found.reason}", path=found.path
            )
        self.files[str(path)] = found

    def _add_folder(self, root: Path) -> None:
        for folder, subfolders, names in os.walk(root, onerror=self._note_unseen):
            here = Path(folder)
            subfolders[:] = sorted(name for name in subfolders if self._is_entered(here / name))
            found = [self._find(here / name) for name in sorted(names)]
            files = [item for item in found if isinstance(item, FoundFile)]
            self.files.update((str(file.path), file) for file in files)
            companions = frozenset().union(*(file.format.companions for file in files))
            for item in found:
                if isinstance(item, PassedOver):
                    self.passed_over.append(_excuse(item, companions))

    def _is_entered(self, folder: Path) -> bool:
        if folder.name.startswith("."):
            self.passed_over.append(PassedOver(str(folder), "hidden folder", "aside"))
        elif folder.is_symlink():
            self.passed_over.append(PassedOver(str(folder), "link to a folder", "aside"))
        else:
            return True
        return False

    def _note_unseen(self, error: OSError) -> None:
        folder = Path(error.filename)
        self.unseen.append(str(folder))
        self.passed_over.append(_problem(folder, f"folder cannot be read: {error.strerror}"))

    def _find(self, path: Path) -> FoundFile | PassedOver:
        if path.name.startswith("."):
            return PassedOver(str(path), "hidden file", "aside")
        return self._examine(path)

    def _examine(self, path: Path) -> FoundFile | PassedOver:
        if _named(path) != str(path):
            return _problem(path, "its name is no UTF-8 — rename it")
        try:
            if not path.is_file():
                return _problem(path, "it is no regular file")
            suffix = path.suffix.lower()
            likely = [form for form in self.formats if suffix in form.suffixes]
            claims = [form for form in likely if form.matches(path)]
            if len(claims) == 1:
                return FoundFile(path, claims[0], path.stat().st_size)
            return _unknown(path, likely)
        except OSError as error:
            return _problem(path, f"it cannot be read: {error.strerror or error}")


def _problem(path: Path, reason: str) -> PassedOver:
    return PassedOver(_named(path), reason, "problem")


def _named(path: Path) -> str:
    """Return the path as a text that can be stored and printed: bytes that are no UTF-8 escaped."""
    return str(path).encode(errors="backslashreplace").decode()


def _unknown(path: Path, likely: list[Format]) -> PassedOver:
    if likely:
        names = ", ".join(form.name for form in likely)
        return PassedOver(str(path), f"its content is of none of the formats {names}", "unknown")
    suffix = path.suffix.lower() or "files without a suffix"
    with path.open("rb") as stream:
        if not _is_text(stream.read(_HEAD_BYTES)):
            return PassedOver(str(path), f"binary file ({suffix})", "aside")
    return PassedOver(str(path), f"no importer reads {suffix}", "unknown")


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _excuse(item: PassedOver, companions: frozenset[str]) -> PassedOver:
    if Path(item.path).name not in companions:
        return item
    return replace(item, reason="part of an export, without text to remember", kind="aside")
