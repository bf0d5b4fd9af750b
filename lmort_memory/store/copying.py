"""Copy a database that this process has not opened, without changing it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from lmort_memory.errors import StoreError
from lmort_memory.paths import touch_private

__all__ = ["copy_database"]


def copy_database(source: Path, target: Path) -> None:
    """Copy a snapshot of a database to a new file with mode 0600.

    Raises:
        StoreError: the source cannot be read, or the target cannot be written.
    """
    try:
        touch_private(target)
        uri = f"{source.resolve().as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(uri, uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"cannot copy {source}: {error} — check the file and its folder"
        ) from error
