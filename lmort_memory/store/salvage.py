"""Make a damaged database readable, in a copy, so that its intact records can be exported."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lmort_memory.errors import NewerSchemaError, PassphraseError, StoreError
from lmort_memory.store import schema
from lmort_memory.store.encryption import MAGIC, connect
from lmort_memory.store.temporary import private_folder
from lmort_memory.store.unlocking import unlock

__all__ = ["repaired_copy"]

PAGE = 4096
_PAGES = struct.Struct(">I")  # how many pages the file has, at offset 28
_PAGES_AT = 28
_HEADER_BYTES = 100
_FORGED = re.compile(r"page (\d+)$")


@contextmanager
def repaired_copy(path: Path, *, passphrase: str | None = None) -> Iterator[Path]:
    """Yield a copy of a database with a valid header and the length that the header states.

    Otherwise SQLite refuses a truncated file, however little is missing. The missing part reads as
    damaged pages. Of an encrypted one, the pages that fail their check are made such pages too. The
    database itself is not touched, and the copy is deleted afterwards. What opening the copy says
    of the passphrase or the version is said of the database.

    Raises:
        PassphraseError: the passphrase is wrong.
        StoreError: the database cannot be read, or there is no space for the copy.
    """
    try:
        with private_folder() as folder:
            copy = folder / "copy.db"
            shutil.copyfile(path, copy)
            log = path.with_name(f"{path.name}-wal")
            if log.is_file():
                shutil.copyfile(log, copy.with_name("copy.db-wal"))
            with _named(copy, path):
                if passphrase is None:
                    _repair_header(copy)
                else:
                    _blank_forged(copy, passphrase)
                yield copy
    except OSError as error:
        raise StoreError(
            f"cannot copy {path} to salvage it: {error.strerror} — the copy needs as much free"
            " space in the temporary folder ($TMPDIR)"
        ) from error


@contextmanager
def _named(copy: Path, path: Path) -> Iterator[None]:
    """Have an error about the passphrase or the version name the database, and not its copy."""
    try:
        yield
    except (PassphraseError, NewerSchemaError) as error:
        raise type(error)(str(error).replace(str(copy), str(path))) from error


def _blank_forged(copy: Path, passphrase: str) -> None:
    """Write zeros over the pages of an encrypted file that fail their check, and drop half a page.

    SQLCipher reads nothing more on a connection that has met one.
    """
    os.truncate(copy, copy.stat().st_size // PAGE * PAGE)
    key = unlock(copy, passphrase)
    with closing(connect(copy, key)) as connection:
        told = [line for (line,) in connection.execute("PRAGMA cipher_integrity_check").fetchall()]
    with copy.open("r+b") as file:
        for page in (int(found[1]) for found in map(_FORGED.search, told) if found):
            file.seek((page - 1) * PAGE)
            file.write(bytes(PAGE))


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
