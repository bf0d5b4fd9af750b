"""A damaged database made readable, in a copy: what is left of it can then be exported."""

from __future__ import annotations

import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lmort_memory.errors import StoreError
from lmort_memory.store import schema
from lmort_memory.store.encryption import MAGIC

__all__ = ["repaired_copy"]

PAGE = 4096
_PAGES = struct.Struct(">I")  # how many pages the file has, at offset 28
_PAGES_AT = 28
_HEADER_BYTES = 100


@contextmanager
def repaired_copy(path: Path, *, encrypted: bool = False) -> Iterator[Path]:
    """Give a copy of a database whose header is sound and whose length is what the header says.

    Without that SQLite opens nothing of a file that was cut, however little is missing. What was
    cut off is read as damaged pages. An encrypted file is copied as it is: see `Database._opened`.
    The database itself is not touched; the copy is gone at the end.

    Raises:
        StoreError: it cannot be read, or there is no room for the copy.
    """
    try:
        with TemporaryDirectory(prefix="lmort-salvage-") as folder:
            copy = Path(folder) / "copy.db"
            shutil.copyfile(path, copy)
            log = path.with_name(f"{path.name}-wal")
            if log.exists():
                shutil.copyfile(log, copy.with_name("copy.db-wal"))
            if not encrypted:
                _repair_header(copy)
            yield copy
    except OSError as error:
        raise StoreError(
            f"cannot copy {path} to read what is left of it: {error.strerror} — the copy needs as"
            " much room in the folder of temporary files ($TMPDIR)"
        ) from error


def _repair_header(copy: Path) -> None:
    """Write a sound header, and add empty pages where the file is shorter than it was."""
    with copy.open("r+b") as file:
        head = file.read(_HEADER_BYTES)
        there = -(-copy.stat().st_size // PAGE)
        if not head.startswith(MAGIC) or len(head) < _HEADER_BYTES:
            head = _sound_header()
        (claimed,) = _PAGES.unpack_from(head, _PAGES_AT)
        # A number of another order is damage itself; up to that, the rest was cut off.
        pages = claimed if there <= claimed <= 1000 * there + 1000 else there
        file.seek(0)
        file.write(head[:_PAGES_AT] + _PAGES.pack(pages) + head[_PAGES_AT + _PAGES.size :])
        file.truncate(pages * PAGE)


def _sound_header() -> bytes:
    """Return the header of a new database of ours."""
    with TemporaryDirectory(prefix="lmort-salvage-") as folder:
        new = Path(folder) / "new.db"
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {PAGE}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("BEGIN IMMEDIATE")
            schema.migrate(connection, new)
            connection.execute("COMMIT")
        return new.read_bytes()[:_HEADER_BYTES]
