"""Looking after a database: is it damaged, what can be read, and a copy while it is in use."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from lmort_memory.errors import StoreError
from lmort_memory.paths import touch_private
from lmort_memory.store.connection import Database
from lmort_memory.store.encryption import connect, failures, failures_or
from lmort_memory.store.records import rows
from lmort_memory.store.values import Verification
from lmort_memory.types import Record

__all__ = ["backup", "readable_records", "verify"]

STEP = 256  # records that are given up together at first, where a page is damaged
CHECKS = (
    (
        "SELECT count(*) FROM vectors v JOIN spaces USING (s) WHERE length(vector) != 2 * dim",
        "vectors have another length than their space",
    ),
    (
        "SELECT count(*) FROM token_codes JOIN token_kinds USING (k)"
        " WHERE length(codes) = 0 OR length(codes) % width",
        "token codes are no whole number of tokens",
    ),
    (
        "SELECT count(*) FROM records WHERE n NOT IN (SELECT rowid FROM words)",
        "records are missing from the index of words",
    ),
    ("SELECT count(*) FROM records WHERE NOT json_valid(metadata)", "records have broken metadata"),
    ("SELECT count(*) FROM pragma_foreign_key_check", "rows belong to a record that is gone"),
)


def verify(database: Database) -> Verification:
    """Look at every page, row and word, and count the records that can be read."""
    problems = list(_problems(database))
    readable = sum(1 for _ in readable_records(database))
    if (lost := _stored(database) - readable) > 0:
        problems.append(f"{lost} records cannot be read")
    return Verification(tuple(problems), readable)


def readable_records(database: Database) -> Iterator[Record]:
    """Yield every record that can be read, stepping over damaged pages."""
    with database.read("verify") as connection:
        end = _last(connection)
        for start in range(1, end + 1, STEP):
            yield from _readable(connection, start, min(start + STEP - 1, end))


def backup(database: Database, target: Path) -> None:
    """Copy the database, as it is at one instant, while others read and write.

    Raises:
        StoreError: the target exists, its folder does not, or it cannot be written.
    """
    if target.exists():
        raise StoreError(f"cannot back up to {target}: it exists — name a new file")
    if not target.parent.is_dir():  # a disk that is not mounted must not become a folder
        raise StoreError(
            f"cannot back up to {target}: there is no folder {target.parent} — "
            "make it, or name a file elsewhere"
        )
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        touch_private(part)
    except OSError as error:
        raise StoreError(
            f"cannot back up to {target}: {error.strerror} — name a folder that is writable"
        ) from error
    try:
        with database.read("back up") as source, closing(connect(part, database.key)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _problems(database: Database) -> Iterator[str]:
    with database.read("verify") as connection:
        try:
            for (line,) in connection.execute("PRAGMA integrity_check(20)").fetchall():
                if line != "ok":
                    yield str(line)
            for sql, meaning in CHECKS:
                if count := connection.execute(sql).fetchone()[0]:
                    yield f"{count} {meaning}"
            if not database.read_only:  # FTS5 takes its commands as rows
                connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        except failures("DatabaseError") as error:
            yield str(error)


def _last(connection: sqlite3.Connection) -> int:
    """Return the number of the last record, from whichever page can still say it."""
    for sql in (
        "SELECT seq FROM sqlite_sequence WHERE name = 'records'",
        "SELECT max(n) FROM records",
        "SELECT max(n) FROM records INDEXED BY records_scope",
    ):
        try:
            (found,) = connection.execute(sql).fetchone() or (None,)
        except failures("DatabaseError"):
            continue
        if found is not None:
            return int(found)
    return 0


def _stored(database: Database) -> int:
    """Return how many records there should be; 0 where not even that can be read."""
    with database.read("verify") as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM records").fetchone()[0])
        except failures("DatabaseError"):
            return 0


def _readable(connection: sqlite3.Connection, first: int, last: int) -> Iterator[Record]:
    """Yield what can be read of a range of rows, halving it where something cannot."""
    sql = f"SELECT {rows.COLUMNS} FROM records r WHERE r.n BETWEEN ? AND ? ORDER BY r.n"
    try:
        found = [rows.to_record(row) for row in connection.execute(sql, (first, last))]
    except failures_or(ValueError, TypeError, OverflowError, name="DatabaseError"):
        if first < last:
            middle = (first + last) // 2
            yield from _readable(connection, first, middle)
            yield from _readable(connection, middle + 1, last)
        return
    yield from found
