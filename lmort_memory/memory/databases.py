"""Reading records from another memory's database: a backup, or another computer's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from lmort_memory.errors import ImportFileError, StoreError
from lmort_memory.store.encryption import MAGIC
from lmort_memory.store.values import Dumped, Filter, LedgerEntry

__all__ = ["dumped_records", "is_database"]


def is_database(path: Path) -> bool:
    """Whether a file is a SQLite database, by its first bytes; False if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


@contextmanager
def dumped_records(path: Path) -> Iterator[Iterator[Dumped | LedgerEntry]]:
    """Open a database and yield its records, with their vectors, then its ledger.

    Reads a copy in the temporary folder, so that a backup of an older version stays unchanged when
    it is migrated, and a memory in use is read as it is at one instant.

    Raises:
        ImportFileError: it is not a database of this library, has a newer version, or is damaged.
    """
    from lmort_memory.store import SQLiteStore
    from lmort_memory.store.copying import copy_database
    from lmort_memory.store.file_checks import refuse_foreign
    from lmort_memory.store.temporary import private_folder

    try:
        refuse_foreign(path)
        with private_folder() as folder:
            copy = folder / "copy.db"
            copy_database(path, copy)
            with SQLiteStore(copy) as store:
                yield chain(store.dump(Filter(), vectors=True), store.every_ledger())
    except StoreError as error:
        raise ImportFileError(f"cannot restore from {path}: {error}", path=str(path)) from error
