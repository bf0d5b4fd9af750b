"""Find the files to import and say of each what it is, or why it is passed over."""

from __future__ import annotations

import codecs
import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lmort_memory.errors import ImportFileError
from lmort_memory.importers.format import UNFORESEEN, Format, LeftOut, RefusedError
from lmort_memory.paths import expanded
from lmort_memory.thoughts import as_said
from lmort_memory.types import Progress, Turn

__all__ = ["FoundFile", "PassedOver", "ScanReport", "read_file", "scan_changed", "scan_paths"]

_HEAD_BYTES = 8192
_SHOWN_PROBLEMS = 3
_OLD_COPIES = ("logseq", "bak")  # Logseq keeps there what its pages said before
_EMPTY = "an empty list"  # such as Claude's projects.json of somebody without projects
_EMPTY_BYTES = 16  # a few line ends may stand around it
# Written in text, with nothing in it to remember.
_WITHOUT_WORDS = {".svg": "picture", ".drawio": "picture", ".eps": "picture", ".base": "table view"}


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

    def __str__(self) -> str:
        """Return which file it is, and why; the errors of damaged files name it themselves."""
        named = self.reason.startswith(self.path)
        return self.reason if named else f"{self.path}: {self.reason}"


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


def scan_paths(
    paths: Iterable[str | Path], formats: tuple[Format, ...], *, progress: Progress | None = None
) -> ScanReport:
    """Look through files and folders; see `lmort_memory.importers.scan`."""
    scan = _Scan(formats, progress)
    for path in paths:
        scan.add_named(Path(os.path.abspath(expanded(path))))  # noqa: PTH100  keeps links
    files = tuple(scan.files[path] for path in sorted(scan.files))
    return ScanReport(files, tuple(scan.passed_over), tuple(scan.roots), tuple(scan.unseen))


def scan_changed(
    paths: Iterable[Path], roots: Iterable[Path], formats: tuple[Format, ...]
) -> ScanReport:
    """Look at some files and folders below roots; see `lmort_memory.importers.scan_changed`."""
    scan = _Scan(formats)
    named = list(roots)
    wanted: dict[Path, set[str]] = {}
    for path in paths:
        if not any(_is_seen(path, root) for root in named):
            continue
        if path.is_dir():
            if not path.is_symlink():
                scan.add_folder(path)
        elif path.exists():
            wanted.setdefault(path.parent, set()).add(path.name)
    for folder, names in wanted.items():
        root = next(root for root in named if root == folder or root in folder.parents)
        every = sorted(path.name for path in folder.iterdir())
        scan.add_files(folder, every, root=root, only=names)
    files = tuple(scan.files[path] for path in sorted(scan.files))
    return ScanReport(files, tuple(scan.passed_over), (), tuple(scan.unseen))


def _is_seen(path: Path, root: Path) -> bool:
    """Whether a search through `root` comes to a path: nothing on the way is hidden or a link."""
    if root not in path.parents:
        return False
    parts = path.relative_to(root).parts
    folders = [root.joinpath(*parts[: at + 1]) for at in range(len(parts) - 1)]
    hidden = any(part.startswith(".") for part in parts)
    copies = any(folder.parts[-2:] == _OLD_COPIES for folder in folders)
    return not hidden and not copies and not any(folder.is_symlink() for folder in folders)


def read_file(file: FoundFile, left_out: Counter[str]) -> Iterator[Turn]:
    """Read the turns of a file; see `lmort_memory.importers.read`."""
    if isinstance(left_out, LeftOut):
        yield from _read(file, left_out)
        return
    counted = LeftOut()
    try:
        yield from _read(file, counted)
    finally:
        left_out.update(counted)


def _read(file: FoundFile, left_out: LeftOut) -> Iterator[Turn]:
    before = len(left_out.problems)
    try:
        yield from _without_thoughts(file.format.read(file.path, left_out), left_out)
    except OSError as error:
        raise ImportFileError(
            f"{file.path} cannot be read: {error.strerror or error}", path=str(file.path)
        ) from error
    except UNFORESEEN as error:
        raise ImportFileError(
            f"{file.path} cannot be read: {error or type(error).__name__}", path=str(file.path)
        ) from error
    if problems := left_out.problems[before:]:
        more = len(problems) - _SHOWN_PROBLEMS
        shown = "; ".join(problems[:_SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise ImportFileError(
            f"{file.path} is damaged: {shown} — the rest was read; what was there before stays",
            path=str(file.path),
        )


def _without_thoughts(turns: Iterable[Turn], left_out: LeftOut) -> Iterator[Turn]:
    """Leave out the reasoning that a program keeps in the text of its replies."""
    yield from filter(None, (as_said(turn, left_out) for turn in turns))


@dataclass(slots=True)
class _Scan:
    formats: tuple[Format, ...]
    progress: Progress | None = None
    seen: int = 0
    files: dict[str, FoundFile] = field(default_factory=dict)
    passed_over: list[PassedOver] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def add_named(self, path: Path) -> None:
        """Take in what the user has named: a file among it must be one that we know."""
        if path.is_dir() and _named(path) == str(path):
            self.roots.append(str(path))
            self.add_folder(path)
            return
        found = self._examine(path) if path.exists() else _problem(path, "there is no such file")
        if isinstance(found, FoundFile):
            self.files[str(path)] = found
        elif found.reason == _EMPTY:  # one of the files of an export: the others are imported
            self.passed_over.append(found)
        else:
            raise ImportFileError(
                f"{found.path} cannot be imported: {found.reason}", path=found.path
            )

    def add_folder(self, root: Path) -> None:
        """Take in what is below a folder."""
        for folder, subfolders, names in os.walk(root, onerror=self._note_unseen):
            here = Path(folder)
            subfolders[:] = sorted(name for name in subfolders if self._is_entered(here / name))
            self.add_files(here, sorted(names), root=root)

    def add_files(
        self, folder: Path, names: Iterable[str], *, root: Path, only: Container[str] = ()
    ) -> None:
        """Take in the files of a folder, which tell together what each of them is.

        Args:
            folder: Where they are.
            names: All of them.
            root: The folder that is searched; a link may not lead out of it.
            only: Those to take in; empty means all.
        """
        found = [self._find(folder / name, root) for name in names if not (folder / name).is_dir()]
        files = [item for item in found if isinstance(item, FoundFile)]
        companions = frozenset().union(*(file.format.companions for file in files))
        for item in found:
            name = Path(item.path).name
            if only and name not in only:
                continue
            if isinstance(item, FoundFile) and name not in companions:
                self.files[str(item.path)] = item
            else:
                self.passed_over.append(_excuse(item, companions))

    def _is_entered(self, folder: Path) -> bool:
        if folder.name.startswith("."):
            self.passed_over.append(PassedOver(str(folder), "hidden folder", "aside"))
        elif folder.is_symlink():
            self.passed_over.append(PassedOver(str(folder), "link to a folder", "aside"))
        elif folder.parts[-2:] == _OLD_COPIES:
            self.passed_over.append(PassedOver(str(folder), "folder of older copies", "aside"))
        else:
            return True
        return False

    def _note_unseen(self, error: OSError) -> None:
        folder = Path(error.filename)
        self.unseen.append(str(folder))
        self.passed_over.append(_problem(folder, f"folder cannot be read: {error.strerror}"))

    def _find(self, path: Path, root: Path) -> FoundFile | PassedOver:
        self.seen += 1
        if self.progress is not None:
            self.progress(self.seen, None)
        if path.name.startswith("."):
            return PassedOver(_named(path), "hidden file", "aside")
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            return PassedOver(_named(path), "link to a file outside the folder", "aside")
        found = self._examine(path)
        if isinstance(found, FoundFile) and found.format.only_named:
            reason = f"it is {found.format.about} — name it to import it"
            return PassedOver(str(path), reason, "unknown")
        return found

    def _examine(self, path: Path) -> FoundFile | PassedOver:
        if _named(path) != str(path):
            return _problem(path, "its name is no UTF-8 — rename it")
        try:
            if not path.is_file():
                return _problem(path, "it is not a regular file")
            likely = [form for form in self.formats if _may_be(path, form)]
            claims = [form for form in likely if not form.fallback and form.matches(path)]
            if not claims:
                claims = [form for form in likely if form.fallback and form.matches(path)]
            if len(claims) == 1:
                return _sized(path, claims[0])
            return _of_several(path, claims) if claims else _unknown(path, likely)
        except OSError as error:
            return _problem(path, f"it cannot be read: {error.strerror or error}")
        except RefusedError as error:
            return PassedOver(str(path), str(error), "unknown")
        except ImportFileError as error:
            return _problem(path, _without_path(str(error), path))
        except UNFORESEEN as error:
            return _problem(path, f"it cannot be read: {error or type(error).__name__}")


def _sized(path: Path, form: Format) -> FoundFile | PassedOver:
    size = path.stat().st_size
    if form.longest is not None and size > form.longest:
        reason = f"it has {size} bytes, a file of {form.name} may have {form.longest} — split it"
        return _problem(path, reason)
    return FoundFile(path, form, size)


def _may_be(path: Path, form: Format) -> bool:
    """Whether a file has an ending that a format may have; "" stands for a name without one."""
    name = path.name.lower()
    return any(name.endswith(end) if end else not path.suffix for end in form.suffixes)


def _problem(path: Path, reason: str) -> PassedOver:
    return PassedOver(_named(path), reason, "problem")


def _named(path: Path) -> str:
    """Return the path as a text that can be stored and printed: bytes that are no UTF-8 escaped."""
    return str(path).encode(errors="backslashreplace").decode()


def _without_path(message: str, path: Path) -> str:
    """Return an error that is told behind the path without the path that it begins with."""
    said = message.removeprefix(f"{path} ")
    return message if said == message else f"it {said}"


def _of_several(path: Path, claims: list[Format]) -> PassedOver:
    """Say that a file is of more than one format: none of them would read all of it."""
    *names, last = (form.name for form in claims)
    found = f"it is of {len(claims)} formats, {', '.join(names)} and {last}"
    return _problem(path, f"{found} — unpack or split it, so that each file is of one")


def _unknown(path: Path, likely: list[Format]) -> PassedOver:
    if _is_empty_list(path):
        return PassedOver(str(path), _EMPTY, "aside")
    if likely and path.suffix:
        names = ", ".join(form.name for form in likely)
        advice = " — unpack it to import the files in it" if path.suffix.lower() == ".zip" else ""
        reason = f"its content is of none of the formats {names}{advice}"
        return PassedOver(str(path), reason, "unknown")
    suffix = path.suffix.lower() or "files without a suffix"
    if suffix in _WITHOUT_WORDS:
        return PassedOver(str(path), f"{_WITHOUT_WORDS[suffix]} ({suffix})", "aside")
    with path.open("rb") as stream:
        if not _is_text(stream.read(_HEAD_BYTES)):
            return PassedOver(str(path), f"binary file ({suffix})", "aside")
    return PassedOver(str(path), f"no importer reads {suffix}", "unknown")


def _is_empty_list(path: Path) -> bool:
    if path.suffix.lower() != ".json" or path.stat().st_size > _EMPTY_BYTES:
        return False
    return b"".join(path.read_bytes().removeprefix(codecs.BOM_UTF8).split()) == b"[]"


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _excuse(item: FoundFile | PassedOver, companions: frozenset[str]) -> PassedOver:
    if isinstance(item, PassedOver) and Path(item.path).name not in companions:
        return item
    return PassedOver(str(item.path), "part of an export, without text to remember", "aside")
