"""Make a damaged database readable, in a copy, so that its intact records can be exported."""

from __future__ import annotations

import os
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
from lmort_memory.store.temporary import private_folder

__all__ = ["repaired_copy"]

PAGE = 4096
_PAGES = struct.Struct(">I")  # how many pages the file has, at offset 28
_PAGES_AT = 28
_HEADER_BYTES = 100


@contextmanager
def repaired_copy(path: Path, *, encrypted: bool = False) -> Iterator[Path]:
    """Yield a copy of a database with a valid header and the length that the header states.

    Otherwise SQLite refuses a truncated file, however little is missing. The missing part reads as
    damaged pages. An encrypted file is copied up to its last whole page: see `Database._opened`.
    The database itself is not touched, and the copy is deleted afterwards.

    Raises:
        StoreError: the database cannot be read, or there is no space for the copy.
    """
    try:
        with private_folder() as folder:
            copy = folder / "copy.db"
            shutil.copyfile(path, copy)
            log = path.with_name(f"{path.name}-wal")
            if log.is_file():
                shutil.copyfile(log, copy.with_name("copy.db-wal"))
            if encrypted:  # half a page is noise, and SQLCipher reads nothing after it
                os.truncate(copy, copy.stat().st_size // PAGE * PAGE)
            else:
                _repair_header(copy)
            yield copy
    except OSError as error:
        raise StoreError(
            f"cannot copy {path} to salvage it: {error.strerror} — the copy needs as much free"
            " space in the temporary folder ($TMPDIR)"
        ) from error


def _repair_header(copy: Path) -> None:
    """Write a valid header, and append empty pages if the file was truncated."""
    with copy.open("r+b") as file:
        head = file.read(_HEADER_BYTES)
        there = -(-copy.stat().st_size // PAGE)
        if not head.startswith(MAGIC) or len(head) < _HEADER_BYTES:
            head = _sound_header()
        (claimed,) = _PAGES.unpack_from(head, _PAGES_AT)
        # A much larger number is itself damaged; a plausible one means the file was truncated.
        pages = claimed if there <= claimed <= 1000 * there + 1000 else there
        file.seek(0)
        file.write(head[:_PAGES_AT] + _PAGES.pack(pages) + head[_PAGES_AT + _PAGES.size :])
        file.truncate(pages * PAGE)


def _sound_header() -> bytes:
    """Return the header of a new, empty database."""
    with TemporaryDirectory(prefix="lmort-salvage-") as folder:
        new = Path(folder) / "new.db"
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {PAGE}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("BEGIN IMMEDIATE")
            schema.migrate(connection, new)
            connection.execute("COMMIT")
        return new.read_bytes()[:_HEADER_BYTES]
