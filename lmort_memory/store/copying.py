"""Copy a database that is not open here, without changing it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from lmort_memory.errors import StoreError
from lmort_memory.paths import touch_private
from lmort_memory.store.encryption import Key, connect, failures_or

__all__ = ["copy_database"]


def copy_database(source: Path, target: Path, *, key: Key | None = None) -> None:
    """Copy a database, as it is at one instant, to a new file of mode 0600; encrypted ones stay so.

    Raises:
        StoreError: the source cannot be read, or the target not be written.
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
