"""Copy a database that this process has not opened, without changing it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from lmort_memory.errors import StoreError
from lmort_memory.paths import touch_private
from lmort_memory.store.encryption import Key, connect, failures_or

__all__ = ["copy_database"]


def copy_database(source: Path, target: Path, *, key: Key | None = None) -> None:
    """Copy a snapshot of a database to a new file with mode 0600; it stays encrypted.

    Raises:
        StoreError: the source cannot be read, or the target cannot be written.
    """
    try:
        touch_private(target)
        uri = f"{source.resolve().as_uri()}?mode=ro"
        with (
            closing(connect(uri, key, uri=True)) as old,
            closing(connect(target, key)) as new,
        ):
            old.backup(new)
    except failures_or(OSError) as error:
        raise StoreError(
            f"cannot copy {source}: {error} — check the file and its folder"
        ) from error
