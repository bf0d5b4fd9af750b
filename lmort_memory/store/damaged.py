"""What every message about a damaged database tells the user to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lmort_memory.errors import DamagedStoreError

__all__ = ["DAMAGED", "reading"]

DAMAGED: Final = (
    "the file is damaged: `lmort-mem verify` counts what can be read,"
    " `lmort-mem export saved.jsonl --salvage` saves it, and"
    " `lmort-mem restore BACKUP` goes back to a backup"
)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn an error over a value that this program never writes into DamagedStoreError.

    SQLite keeps whatever it is given in any column, so that a damaged row can hold anything.
    """
    try:
        yield
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedStoreError(f"{what} cannot be read ({error}) — {DAMAGED}") from error
