"""Restore a backup; the replaced database is kept beside it."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from lmort_memory.errors import StoreError
from lmort_memory.paths import (
    beside,
    flush_file,
    flush_names,
    located,
    make_private_dir,
    remove_parts,
    replacing,
)
from lmort_memory.store.aside import set_aside
from lmort_memory.store.encryption import Key, connect, failures
from lmort_memory.store.unlocking import unlock

__all__ = ["restore_backup"]


def restore_backup(
    backup: Path, database: Path, *, passphrase: str | Key | None = None
) -> Path | None:
    """Replace a database, damaged or not, by a backup.

    Memories that still have the old database open then refuse to write to it. Killed at any point,
    the old database or the backup is there, whole.

    Args:
        backup: A file that `backup` wrote; it is not changed.
        database: The database to replace; it need not exist.
        passphrase: What opens the backup, where it is encrypted.

    Returns:
        The new path of the old database, moved with the files beside it; None if there was none.

    Raises:
        StoreError: the backup is damaged or another program's, or the files cannot be moved.
    """
    database = located(database)  # where links lead to: its log lies there
    if not backup.is_file():
        raise StoreError(f"there is no backup at {backup} — name a file that `backup` wrote")
    key = unlock(backup, passphrase)
    try:
        make_private_dir(database.parent)
        remove_parts(database)  # they hold texts
        with replacing(database) as part:
            _copy(backup, part, key)
            flush_file(part)  # before anything is moved
            aside = set_aside(database)
        flush_names(database.parent)
    except OSError as error:
        raise StoreError(
            f"cannot restore {database} from {backup}: {error.strerror} — check that the folder is"
            " writable and has free space; the old database was kept"
        ) from error
    return aside


def _copy(backup: Path, part: Path, key: Key | None) -> None:
    """Copy a backup, with the log beside it if it is a database that was set aside, and check it.

    Raises:
        StoreError: it is damaged.
        OSError: it cannot be copied.
    """
    shutil.copyfile(backup, part)
    log = beside(backup, "-wal")
    try:
        if log.is_file():
            shutil.copyfile(log, beside(part, "-wal"))
        with closing(connect(part, key, isolation_level=None)) as one:
            one.execute("PRAGMA journal_mode = DELETE").fetchone()  # takes in the log
            found = one.execute("PRAGMA quick_check(1)").fetchone()[0]
    except failures("DatabaseError") as error:
        found = str(error)
    finally:
        for suffix in ("-wal", "-shm", "-journal"):
            beside(part, suffix).unlink(missing_ok=True)
    if found != "ok":
        raise StoreError(
            f"the backup {backup} is damaged: {found} — use an older one, or save what is readable:"
            f" lmort-mem export saved.jsonl --salvage --db {backup}"
        )
