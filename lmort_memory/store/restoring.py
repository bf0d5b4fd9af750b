"""Restore a backup; the replaced database is kept beside it."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import closing
from datetime import datetime
from pathlib import Path

from lmort_memory.errors import StoreError
from lmort_memory.paths import located, make_private_dir, touch_private
from lmort_memory.store.encryption import Key, connect, failures
from lmort_memory.store.unlocking import unlock

__all__ = ["replaced_copies", "restore_backup"]

# Files of SQLite and the caches beside a database: the old one's log would damage the new one.
_BESIDE = ("-wal", "-shm", "-queue", "-sync", ".states", ".index")


def restore_backup(
    backup: Path, database: Path, *, passphrase: str | Key | None = None
) -> Path | None:
    """Replace a database, damaged or not, by a backup.

    Memories that still have the old database open then refuse to write to it.

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
            " writable and has free space; the old database was kept"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return aside


def replaced_copies(database: Path) -> list[Path]:
    """Return the databases that earlier restores have set aside, oldest first.

    They hold what has been forgotten since. A folder that does not exist, such as that of a
    database on a server, has none.
    """
    stamped = re.compile(rf"{re.escape(database.name)}\.replaced-\d{{8}}T\d{{12}}")
    return sorted(one for one in database.parent.glob("*") if stamped.fullmatch(one.name))


def _check(backup: Path, passphrase: str | Key | None) -> None:
    if not backup.is_file():
        raise StoreError(f"there is no backup at {backup} — name a file that `backup` wrote")
    key = unlock(backup, passphrase)
    try:
        uri = f"{backup.absolute().as_uri()}?immutable=1"
        with closing(connect(uri, key, uri=True)) as one:
            found = one.execute("PRAGMA quick_check(1)").fetchone()[0]
    except failures("DatabaseError") as error:
        found = str(error)
    if found != "ok":
        raise StoreError(
            f"the backup {backup} is damaged: {found} — use an older one, or save what is readable:"
            f" lmort-mem export saved.jsonl --salvage --db {backup}"
        )


def _set_aside(database: Path) -> Path | None:
    """Rename a database and the files beside it, adding the current time to the name."""
    stamp = f"{datetime.now():%Y%m%dT%H%M%S%f}"  # noqa: DTZ005  for the person who looks for it
    aside = database.with_name(f"{database.name}.replaced-{stamp}")
    for suffix in _BESIDE:
        beside = database.with_name(database.name + suffix)
        if beside.exists():
            beside.replace(aside.with_name(aside.name + suffix))
    if not database.exists():
        return None
    database.replace(aside)
    return aside
