"""Files to turns: notes and exported chats, with where each turn came from.

    report = scan(["~/notes", "chatgpt-export.zip"])   what there is, by strict detection
    for file in report.files:
        for turn in read(file):                         lazily, in bounded memory
            ...

Nothing here knows the store; `lmort_memory.importing` brings both together.

To add a format, write one file beside the others that ends in a `Format`, and name it in the table
of `registry.py`. Three rules: `matches` looks at content and says False in doubt, since an unknown
file must be an error and never silently text; `read` gives the turns of one source one after the
other, each with `Source.uri` set to a name that is the same at the next export; what is passed over
is counted by reason in `left_out`, and an item that cannot be read is told to `left_out.fail` (or
wrapped in `format.whole`), so that it costs itself and not the file. An export that says when a
conversation was last changed puts that into `left_out.dates` before the conversation's first turn.
No reader cleans text: `Turn` does.
`tests/unit/importers` shows the tests that a format needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from lmort_memory.importers.format import Format, LeftOut, file_uri, fingerprint
from lmort_memory.importers.registry import FORMATS, known_formats
from lmort_memory.importers.scan import FoundFile, PassedOver, ScanReport, read_file, scan_paths
from lmort_memory.importers.scan import scan_changed as _scan_changed
from lmort_memory.types import Progress, Turn

__all__ = [
    "FORMATS",
    "Format",
    "FoundFile",
    "LeftOut",
    "PassedOver",
    "ScanReport",
    "file_uri",
    "fingerprint",
    "known_formats",
    "read",
    "scan",
    "scan_changed",
]


def scan(
    paths: Iterable[str | Path],
    *,
    formats: tuple[Format, ...] | None = None,
    progress: Progress | None = None,
) -> ScanReport:
    """Find what can be imported among files and folders, and why the rest cannot.

    Folders are searched through; hidden files, links to folders and links that lead out of the
    folder are left out. Only beginnings of files are read. `formats` are tried in place of
    all that are known; `progress` is told how many files were looked at.

    Raises:
        ImportFileError: a file that was named, and not merely found in a folder, does not exist,
            cannot be read, or is of no known format.
    """
    tried = known_formats() if formats is None else formats
    return scan_paths(paths, tried, progress=progress)


def scan_changed(
    paths: Iterable[str | Path],
    roots: Iterable[str | Path],
    *,
    formats: tuple[Format, ...] | None = None,
) -> ScanReport:
    """Look at files and folders that have changed, as a `scan` of the roots would see them.

    Args:
        paths: Absolute. What is hidden, reached through a link, or gone is passed over.
        roots: The folders that are searched, absolute.
        formats: Tried in place of all that are known.
    """
    tried = known_formats() if formats is None else formats
    return _scan_changed(map(Path, paths), map(Path, roots), tried)


def read(file: FoundFile, left_out: Counter[str] | None = None) -> Iterator[Turn]:
    """Read a file's turns one after the other, in bounded memory.

    Args:
        file: As found by `scan`.
        left_out: Counts, by reason, what was passed over inside the file; a `LeftOut` has more.

    Raises:
        ImportFileError: the file is damaged or cannot be read. What can be read of it was given.
    """
    return read_file(file, LeftOut() if left_out is None else left_out)
