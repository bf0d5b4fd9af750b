"""The file of a database: whether it is ours, has one name, and is still where it was opened."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import NamedTuple

from lmort_memory.errors import DamagedStoreError, PassphraseError, StoreError
from lmort_memory.store import schema
from lmort_memory.store.aside import put_back
from lmort_memory.store.encryption import MAGIC, is_encrypted

__all__ = ["FileInUse", "is_writable", "refuse_foreign", "refuse_second_name"]

LEAST_BYTES = 512  # of a database that is not empty: SQLite's smallest page
HEADER = struct.Struct(">16s44xI4xI")  # magic, user_version at 60, application_id at 68


class FileInUse:
    """Notices when the file of an open database is no longer at its path.

    Args:
        named: The path that the user gave.
    """

    def __init__(self, named: Path) -> None:
        self._named = named
        self._opened: _Identity | None = None

    def remember(self) -> None:
        """Take the file that is at the path now for the one that is open."""
        self._opened = _identity(self._named)

    def check(self) -> None:
        """Refuse a file that is no longer at its path: what is written to it would be lost.

        Raises:
            StoreError: the database was moved, deleted, replaced or emptied while open.
        """
        opened = self._opened
        if opened is None:  # it is being opened
            return
        found = _identity(self._named)
        if found is None or (found.device, found.number) != (opened.device, opened.number):
            raise StoreError(
                f"cannot use {self._named}: it was moved, deleted or replaced while open"
                " — open the memory again"
            )
        if opened.holds_pages and not found.holds_pages:
            raise StoreError(
                f"cannot use {self._named}: another program emptied the file while it was open"
                " — restore a backup: lmort-mem restore BACKUP"
            )


def refuse_foreign(path: Path) -> None:
    """Refuse another program's file before SQLite opens, and perhaps changes, it.

    Raises:
        StoreError: the file is not a database, not this program's, or has a newer schema.
    """
    try:
        if not path.exists() or (path.is_file() and path.stat().st_size == 0):
            return
        if not path.is_file():
            raise StoreError(f"cannot open {path}: it is not a file — name a database file")
        with path.open("rb") as file:
            head = file.read(HEADER.size)
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror} — check its permissions") from error
    if is_encrypted(path):
        raise PassphraseError(
            f"cannot open {path}: it is encrypted — give its passphrase (--passphrase-file FILE,"
            " or passphrase=… in Python)"
        )
    if len(head) < HEADER.size or not head.startswith(MAGIC):
        raise DamagedStoreError(
            f"cannot open {path}: found a file that is not a SQLite database — "
            "name another with --db; this one was not touched"
        )
    _, version, application = HEADER.unpack(head)
    schema.refuse_other(path, application, version)


def refuse_second_name(path: Path) -> None:
    """Refuse a file with a second name: SQLite's log lies beside one name only.

    Raises:
        StoreError: the file has hard links.
    """
    for _ in range(20):
        if path.stat().st_nlink <= 1:
            return
        time.sleep(0.01)  # another process is between two names, as in a restore
    put_back(path)  # a restore that was killed there
    if path.stat().st_nlink <= 1:
        return
    raise StoreError(
        f"cannot open {path}: the file has another name too (a hard link), and writing under two"
        f" names would damage it — give it a file of its own: cp '{path}' '{path}.copy' &&"
        f" mv '{path}.copy' '{path}'"
    )


def is_writable(path: Path) -> bool:
    """Whether this process may write a database and the files that SQLite makes beside it."""
    effective = os.access in os.supports_effective_ids
    places = (path, path.parent)
    return all(os.access(place, os.W_OK, effective_ids=effective) for place in places)


class _Identity(NamedTuple):
    """Which file is at a path, and whether it holds at least one page."""

    device: int
    number: int
    holds_pages: bool


def _identity(path: Path) -> _Identity | None:
    """Return the identity of the file at this path; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  half the time of Path.stat, and on every read
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _Identity(found.st_dev, found.st_ino, found.st_size >= LEAST_BYTES)
