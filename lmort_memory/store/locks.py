"""A lock between processes, on a file; the system releases it when a process dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["someone_waits", "try_lock", "waiting"]


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Try to take the lock for the block, without waiting; yields whether it succeeded.

    The file stays and is empty. Two threads of one process exclude each other too, because each
    opens the file separately.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def waiting(path: Path) -> Iterator[None]:
    """Make `someone_waits` return True in other processes until the end of the block."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:  # not writable: the write itself will report it
        yield
        return
    try:
        _share(descriptor)
        yield
    finally:
        os.close(descriptor)


def someone_waits(path: Path) -> bool:
    """Whether a process is inside `waiting` on this path."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:  # the usual case: no process has ever waited
        return False
    try:
        return not _locked(descriptor)
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _share(descriptor: int) -> None:
        _locked(descriptor)  # another waiting process has it, and one is enough

    def _locked(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _share(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_SH)

    def _locked(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
