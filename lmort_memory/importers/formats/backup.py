"""A database of ours: a copy that `lmort-mem backup` made, or a memory of another computer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lmort_memory.importers.format import Format, LeftOut
from lmort_memory.types import Turn

__all__ = ["FORMAT"]

_MAGIC = b"SQLite format 3\0"
_APPLICATION_AT, _APPLICATION = 68, b"LMOR"  # SQLite's field for what made the file


def _matches(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(100)
    return head.startswith(_MAGIC) and head[_APPLICATION_AT:].startswith(_APPLICATION)


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    """Yield nothing: only the store reads databases, and `Memory.restore` asks it."""
    left_out["database that Memory.restore reads"] += 1
    yield from ()


FORMAT = Format(
    name="backup",
    suffixes=(".db", ".sqlite", ".sqlite3", ".bak"),
    matches=_matches,
    read=_read,
    restores=True,
    only_named=True,  # a folder of backups must not bring back what was forgotten
    about="a database of ours, such as `lmort-mem backup` makes",
)
