"""Copies of a memory in the temporary folder: private, and removed even after a kill."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lmort_memory.store.locks import try_lock

__all__ = ["abandoned_folders", "private_folder", "remove_abandoned"]

_PREFIX = "lmort-copy-"
_LOCK = "lock"
_YOUNG_S = 10.0  # a lock is made before it is taken


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder, mode 0700, in the temporary folder; it is deleted with all that is in it.

    A process that is killed leaves it, and the next one removes it.

    Raises:
        OSError: it cannot be made.
    """
    remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with try_lock(folder / _LOCK):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove what this user's killed processes have left in the temporary folder."""
    for folder in abandoned_folders():
        with suppress(OSError):  # removed by another process
            if time.time() - folder.stat().st_mtime > _YOUNG_S:
                shutil.rmtree(folder, ignore_errors=True)


def abandoned_folders() -> list[Path]:
    """Return the folders that this user's killed processes have left."""
    return [one for one in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*") if _is_abandoned(one)]


def _is_abandoned(folder: Path) -> bool:
    try:
        if folder.is_symlink() or not _is_ours(folder) or not (folder / _LOCK).is_file():
            return False  # somebody else's, or just being made
        with try_lock(folder / _LOCK) as unused:
            return unused
    except OSError:  # removed meanwhile
        return False


def _is_ours(folder: Path) -> bool:
    return os.name != "posix" or folder.lstat().st_uid == os.geteuid()
