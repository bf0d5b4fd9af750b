"""SQLite's errors as ours, with what the user can do about them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lmort_memory.errors import DamagedStoreError, StoreError
from lmort_memory.store.damaged import DAMAGED
from lmort_memory.store.encryption import failures

__all__ = ["translated"]

_OF_DAMAGE = (
    *("malformed", "not a database", "corrupt", "no such table", "no such column"),
    "decode to utf-8",  # text that is not valid UTF-8
)
_GARBLED = "a name in it is not text"


@contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Turn errors from SQLite and the file system into StoreError.

    Args:
        path: The database, named in the message.
        doing: What was tried: "read", "add to".
    """
    try:
        yield
    except failures() as error:
        kind = DamagedStoreError if _means_damage(error) else StoreError
        raise kind(f"cannot {doing} {path}: {error} — {_advice(error)}") from error
    except UnicodeDecodeError as error:  # SQLite quotes a garbled name of its schema
        message = f"cannot {doing} {path}: {_GARBLED} — {DAMAGED}"
        raise DamagedStoreError(message) from error
    except OSError as error:
        raise StoreError(
            f"cannot {doing} {path}: {error.strerror or error} — "
            "check that the folder exists, is writable and has free space"
        ) from error


def _means_damage(error: sqlite3.Error) -> bool:
    """Return whether SQLite reports damage; not all such errors have a code of their own."""
    return any(word in str(error).lower() for word in _OF_DAMAGE)


def _advice(error: sqlite3.Error) -> str:
    """Return what the user can do about an SQLite error."""
    text = str(error)
    if "full" in text or "disk I/O" in text:
        return "check that the disk has free space; everything stored before is intact"
    if "readonly" in text:
        return "it can be read and searched; to change it, copy it to a writable folder"
    if "unable to open" in text:
        return "check that the folder and the file are writable"
    if "locked" in text or "busy" in text:
        return "another process has locked it for a minute; close that process"
    if _means_damage(error):
        return DAMAGED
    return "nothing was changed"
