"""Index again, as this version does, the words of records that an earlier version stored."""

from __future__ import annotations

import sqlite3

from lmort_memory.errors import DamagedStoreError
from lmort_memory.store.connection import Database
from lmort_memory.store.records import rows

__all__ = ["reindex"]

STEP = 500  # records per transaction, so that other writers wait for milliseconds
ROWS = f"""
SELECT {rows.COLUMNS}, w.body FROM records r JOIN words w ON w.rowid = r.n
WHERE r.n > ? ORDER BY r.n LIMIT {STEP}
"""


def reindex(database: Database) -> int:
    """Return how many records were indexed otherwise than this version would.

    The table of words keeps the text that it indexed, so what an UPDATE takes out of the index is
    what was put in, by whichever version.
    """
    last = renewed = 0
    while True:
        with database.write("compact") as connection:
            found = connection.execute(ROWS, (last,)).fetchall()
            renewed += sum(_renewed(connection, row) for row in found)
        if len(found) < STEP:
            return renewed
        last = found[-1][0]


def _renewed(connection: sqlite3.Connection, row: tuple[object, ...]) -> bool:
    *columns, body = row
    try:
        words = rows.searchable(rows.to_record(tuple(columns)))
    except DamagedStoreError:
        return False  # `verify` names it
    if words == body:
        return False
    connection.execute("UPDATE words SET body = ? WHERE rowid = ?", (words, columns[0]))
    return True
