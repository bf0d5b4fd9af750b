"""From the name of a database, a file or the URL of a server, to its store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lmort_memory.errors import PassphraseError
from lmort_memory.store.encryption import Key
from lmort_memory.store.protocol import Movable

__all__ = ["find_store", "shown_place"]


def find_store(place: Path | str, passphrase: str | Key | None = None) -> Callable[[], Movable]:
    """Check that a database can be opened, writing nothing; returns what opens it.

    Args:
        place: A file, or `postgresql://…`.
        passphrase: Opens an encrypted file.

    Raises:
        PassphraseError: it is missing or wrong, or the database is not encrypted.
        MissingDependencyError: the extra for this kind of database is not installed.
        StoreError: it cannot be opened, is another program's, or has a newer schema.
    """
    if isinstance(place, str):
        if passphrase is not None:
            raise PassphraseError(
                f"{shown_place(place)} is on a server, which encrypts in its own way — leave the"
                " passphrase out"
            )
        from lmort_memory.store.postgres.store import PostgresStore, check_server

        check_server(place)
        return lambda: PostgresStore(place)
    from lmort_memory.store.sqlite import SQLiteStore
    from lmort_memory.store.unlocking import check_passphrase

    key = check_passphrase(place, passphrase)
    return lambda: SQLiteStore(place, key=key)


def shown_place(place: Path | str) -> str:
    """Return the name of a database for people, without a password."""
    if isinstance(place, Path):
        return str(place)
    from lmort_memory.store.postgres.address import shown

    return shown(place)
