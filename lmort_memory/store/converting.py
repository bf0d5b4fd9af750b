"""A database encrypted, decrypted, or given another passphrase: a new file in the old one's place.

The new file is written beside the old one, compared with it table by table, and put in its place
by one rename. Then the old one's bytes are overwritten. A stop at any point leaves the old file or
the new one, whole.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lmort_memory.errors import StoreError
from lmort_memory.paths import beside, flush_file, flush_names, located, touch_private
from lmort_memory.store.encryption import Key, connect, failures_or, new_key, sqlcipher
from lmort_memory.store.unlocking import unlock

__all__ = ["Conversion", "clear_killed", "convert"]

_CACHES = (".index", ".states")  # folders beside a database: vectors, and the tokens of chats
_BLOCK = bytes(1 << 20)


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was done.

    Attributes:
        records: Records in the new file.
        overwritten: Files of the old state whose bytes were overwritten before they were deleted.
    """

    records: int
    overwritten: int


def convert(path: Path, *, old: str | None, new: str | None) -> Conversion:
    """Write a database anew under another passphrase, or none, in the place of the old file.

    Nobody else may have it open. The new file has its own salt, so the old key opens nothing of it.
    Overwriting reaches the file's own blocks; an SSD, a snapshot or a backup may keep older ones.

    Args:
        path: The database.
        old: Its passphrase; None where it is not encrypted.
        new: The passphrase to be; None decrypts.

    Raises:
        PassphraseError: `old` is missing or wrong, or `new` is empty.
        MissingDependencyError: SQLCipher is not installed.
        StoreError: the file is in use or damaged, or there is no room; it is as it was then.
    """
    path = located(path)  # where links lead to: the old bytes and the caches lie there
    if not path.is_file():
        raise StoreError(f"there is no database {path} — name one with --db")
    sqlcipher()
    key = unlock(path, old)
    target = None if new is None else new_key(new)
    part = _part(path)
    try:
        _destroy(part)  # what a kill left behind
        with _alone(path, key) as source, path.open("rb+") as file:
            touch_private(part)
            _copy(path, key, part, target)
            records = _compare(source, part, target)
            flush_file(part)
            part.replace(path)
            flush_names(path.parent)
            _overwrite(file.fileno())
    except failures_or(OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(
            f"cannot convert {path}: {reason} — close what has it open, make room for a second"
            " copy, and try again; the database is as it was"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Conversion(records, 1 + _remove_caches(path))


def clear_killed(path: Path, *, encrypted: bool) -> None:
    """Destroy what a killed conversion has left beside a database that this process has open.

    Nobody converts a database meanwhile: `_alone` would refuse.
    """
    with suppress(OSError):
        _destroy(_part(path))
        _destroy(beside(_part(path), "-journal"))
        if encrypted:  # caches of the plain one
            _remove_caches(path)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.converting")


@contextmanager
def _alone(path: Path, key: Key | None) -> Iterator[sqlite3.Connection]:
    """Keep everybody else from writing, with the write-ahead log emptied into the file.

    Leaving WAL mode needs that nobody else has the database open, and is refused otherwise.
    """
    with closing(_open(path, key)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def _open(path: Path, key: Key | None) -> sqlite3.Connection:
    return connect(path, key, isolation_level=None, timeout=1.0)


def _copy(path: Path, key: Key | None, part: Path, target: Key | None) -> None:
    """Copy everything into a new file; SQLCipher reads and writes plain files too."""
    with closing(sqlcipher().connect(str(path), isolation_level=None)) as connection:
        connection.execute("PRAGMA cipher_log_level = NONE")
        if key is not None:
            connection.execute(f'PRAGMA key = "{key.literal}"')
        literal = "" if target is None else target.literal
        connection.execute("ATTACH ? AS copy KEY ?", (str(part), literal))
        connection.execute("PRAGMA copy.auto_vacuum = INCREMENTAL")
        connection.execute("SELECT sqlcipher_export('copy')").fetchall()
        connection.execute("DELETE FROM copy.caches")
        for name in ("application_id", "user_version"):  # whatever schema it is of
            (number,) = connection.execute(f"PRAGMA main.{name}").fetchone()
            connection.execute(f"PRAGMA copy.{name} = {number}")


def _compare(source: sqlite3.Connection, part: Path, target: Key | None) -> int:
    """Check the new file, and its number of rows in every table; returns the records.

    Raises:
        StoreError: they differ.
    """
    with closing(_open(part, target)) as copy:
        (sound,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'caches'"
        for (name,) in source.execute(names).fetchall():
            if _digest(source, name) != _digest(copy, name):
                sound = f"the table {name} differs"
        if sound != "ok":
            raise StoreError(
                f"the new file is not equal to the old one: {sound} — nothing was changed;"
                " look at the database with `lmort-mem verify`"
            )
        (records,) = copy.execute("SELECT count(*) FROM records").fetchone()
    return int(records)


def _digest(connection: sqlite3.Connection, table: str) -> bytes:
    """Return a digest of every row of a table."""
    digest = hashlib.blake2b()
    name = table.replace('"', '""')
    for row in connection.execute(f'SELECT * FROM "{name}"'):
        digest.update(repr(row).encode())
    return digest.digest()


def _remove_caches(path: Path) -> int:
    """Overwrite and delete what was kept beside the database; returns how many files."""
    count = 0
    for suffix in _CACHES:
        folder = beside(path, suffix)
        for file in folder.iterdir() if folder.is_dir() else ():
            count += _destroy(file)
        with suppress(OSError):
            folder.rmdir()
    return count


def _destroy(file: Path) -> bool:
    """Overwrite and delete a file; False where there is none."""
    if not file.is_file() or file.is_symlink():
        return False
    with file.open("rb+") as opened:
        _overwrite(opened.fileno())
    file.unlink()
    return True


def _overwrite(descriptor: int) -> None:
    """Write zeros over all that an open file holds."""
    rest = os.lseek(descriptor, 0, os.SEEK_END)
    os.lseek(descriptor, 0, os.SEEK_SET)
    while rest > 0:
        rest -= os.write(descriptor, _BLOCK[:rest])
    os.fsync(descriptor)
