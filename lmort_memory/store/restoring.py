"""Going back to a backup: the database that it replaces is kept beside it."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from datetime import datetime
from pathlib import Path

from lmort_memory.errors import StoreError
from lmort_memory.paths import make_private_dir, touch_private
from lmort_memory.store.encryption import Key, connect, failures
from lmort_memory.store.unlocking import unlock

__all__ = ["restore_backup"]

# What SQLite and the caches keep beside a database: a log of the old one would damage the new one.
_BESIDE = ("-wal", "-shm", "-queue", ".states", ".index")


def restore_backup(
    backup: Path, database: Path, *, passphrase: str | Key | None = None
) -> Path | None:
    """Put a backup in the place of a database, whatever state that is in.

    Memories that have the old database open refuse to write to it from then on.

    Args:
        backup: A file that `backup` wrote; it stays as it is.
        database: What it replaces; it need not exist.
        passphrase: What opens the backup, where it is encrypted.

    Returns:
        Where the old database went, with the files beside it; None if there was none.

    Raises:
        StoreError: the backup is damaged or not ours, or the files cannot be moved.
    """
    _check(backup, passphrase)
    part = database.with_name(f".{database.name}.restoring")
    try:
        make_private_dir(database.parent)
        part.unlink(missing_ok=True)
        touch_private(part)
        shutil.copyfile(backup, part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        aside = _set_aside(database)
        part.replace(database)
    except OSError as error:
        raise StoreError(
            f"cannot restore {database} from {backup}: {error.strerror} — check that the folder is"
            " yours and has room; the old database was kept"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return aside


def _check(backup: Path, passphrase: str | Key | None) -> None:
    if not backup.is_file():
        raise StoreError(f"there is no backup {backup} — name a file that `backup` wrote")
    key = unlock(backup, passphrase)
    try:
        uri = f"{backup.absolute().as_uri()}?immutable=1"
        with closing(connect(uri, key, uri=True)) as one:
            found = one.execute("PRAGMA quick_check(1)").fetchone()[0]
    except failures("DatabaseError") as error:
        found = str(error)
    if found != "ok":
        raise StoreError(
            f"the backup {backup} is damaged: {found} — take an older one, or save what can be read"
            f" of it: lmort-mem export saved.jsonl --salvage --db {backup}"
        )


def _set_aside(database: Path) -> Path | None:
    """Rename a database and what lies beside it; the name says when."""
    stamp = f"{datetime.now():%Y%m%dT%H%M%S}"  # noqa: DTZ005  for the person who looks for it
    aside = database.with_name(f"{database.name}.replaced-{stamp}")
    for suffix in _BESIDE:
        beside = database.with_name(database.name + suffix)
        if beside.exists():
            beside.replace(aside.with_name(aside.name + suffix))
    if not database.exists():
        return None
    database.replace(aside)
    return aside
