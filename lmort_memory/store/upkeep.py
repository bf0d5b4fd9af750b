"""Maintenance of a database: check it for damage, salvage records, back it up while in use."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from lmort_memory.errors import StoreError
from lmort_memory.paths import beside, new_private_file, remove_parts
from lmort_memory.store import schema
from lmort_memory.store.connection import Database
from lmort_memory.store.encryption import connect, failures_or
from lmort_memory.store.records import rows
from lmort_memory.store.replica.replication import forget_identity
from lmort_memory.store.values import Verification
from lmort_memory.types import Record

__all__ = ["backup", "new_backup", "readable_records", "verify"]

_EXPONENT = 0x7C00  # of a float16
STEP = 256  # records per read while salvaging; a range that fails is halved
CHECKS = (
    (
        "SELECT count(*) FROM vectors v JOIN spaces USING (s) WHERE length(vector) != 2 * dim",
        "vectors do not have the length of their space",
    ),
    (
        "SELECT count(*) FROM token_codes JOIN token_kinds USING (k)"
        " WHERE length(codes) = 0 OR length(codes) % width",
        "token codes are not a whole number of tokens",
    ),
    (
        "SELECT count(*) FROM records WHERE n NOT IN (SELECT rowid FROM words)",
        "records are missing from the full-text index",
    ),
    ("SELECT count(*) FROM records WHERE NOT json_valid(metadata)", "records have broken metadata"),
    (
        "SELECT count(*) FROM history"
        " WHERE CASE WHEN json_valid(metadata) THEN json_type(metadata) END IS NOT 'object'",
        "earlier versions have broken metadata",
    ),
    ("SELECT count(*) FROM pragma_foreign_key_check", "rows belong to a record that is gone"),
)


def verify(database: Database) -> Verification:
    """Check every page, row and index entry, and count the readable records."""
    problems = list(_problems(database))
    readable = sum(1 for _ in readable_records(database))
    if (lost := _stored(database) - readable) > 0:
        problems.append(f"{lost} records cannot be read")
    return Verification(tuple(problems), readable)


def readable_records(database: Database) -> Iterator[Record]:
    """Yield every readable record, skipping damaged pages."""
    database.reconnect()
    with database.read("verify") as connection:
        end = _last(connection)
    for start in range(1, end + 1, STEP):
        yield from _readable(database, start, min(start + STEP - 1, end))


def backup(database: Database, target: Path) -> None:
    """Copy a snapshot of the database while others read and write.

    Raises:
        StoreError: the target exists, its folder does not, or it cannot be written.
    """
    with new_backup(target) as part:
        _copy(database, part)


@contextmanager
def new_backup(target: Path) -> Iterator[Path]:
    """Yield an empty private file that becomes the backup when the block succeeds.

    Raises:
        StoreError: the target exists, its folder does not, or it cannot be written.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100  links are not followed
    if not target.parent.is_dir():  # do not create the mount point of an unmounted disk
        raise StoreError(
            f"cannot back up to {target}: there is no folder {target.parent} — "
            "create it, or name a file elsewhere"
        )
    try:
        remove_parts(target)  # they hold texts
        with new_private_file(target) as part:
            try:
                yield part
            finally:
                for suffix in ("-journal", "-wal", "-shm", "-queue"):  # where the disk was full
                    beside(part, suffix).unlink(missing_ok=True)
    except FileExistsError as error:
        raise StoreError(f"cannot back up to {target}: it exists — name a new file") from error
    except OSError as error:
        raise StoreError(
            f"cannot back up to {target}: {error.strerror} — choose a writable folder"
        ) from error


def _copy(database: Database, part: Path) -> None:
    with database.read("back up") as source, closing(connect(part, database.key)) as copy:
        source.backup(copy)
        forget_identity(copy)  # two devices never write one log
        copy.commit()
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it


def _problems(database: Database) -> Iterator[str]:
    with database.read("verify") as connection:
        try:
            for name in schema.missing_tables(connection):
                yield f"the table {name} is missing"
            for (line,) in connection.execute("PRAGMA integrity_check(20)").fetchall():
                if line != "ok":
                    yield str(line)
            for sql, meaning in CHECKS:
                if count := connection.execute(sql).fetchone()[0]:
                    yield f"{count} {meaning}"
            yield from _wrong_values(connection)
            if broken := _not_finite(connection):
                yield f"{broken} vectors hold a number that is not finite"
            if not database.read_only:  # FTS5 takes its commands as rows
                connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        except failures_or(UnicodeDecodeError, name="DatabaseError") as error:
            yield str(error)


def _wrong_values(connection: sqlite3.Connection) -> Iterator[str]:
    """Describe the values that are not of their column's type, or are not valid UTF-8.

    SQLite stores whatever it is given, so to its own check such a row is sound.
    """
    connection.create_function("is_utf8", 1, _is_utf8, deterministic=True)
    for table in schema.TYPED:
        for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
            if kind not in _KINDS:
                yield f"{table} has a column {name} of another type"
                continue
            wrong = f"typeof({name}) NOT IN ('{kind.lower()}', 'null')"
            if kind == "TEXT":
                wrong += f" OR NOT is_utf8(CAST({name} AS BLOB))"
            count = connection.execute(f"SELECT count(*) FROM {table} WHERE {wrong}").fetchone()[0]
            if count:
                yield f"{count} rows of {table} have a value in {name} that is not {_KINDS[kind]}"


_KINDS = {"TEXT": "text", "INTEGER": "a number", "BLOB": "bytes"}


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _not_finite(connection: sqlite3.Connection) -> int:
    """Count vectors with a NaN or an infinity: every bit of its exponent is set."""
    blobs = connection.execute(
        "SELECT vector FROM vectors WHERE typeof(vector) = 'blob' AND length(vector) % 2 = 0"
    )
    halves = (np.frombuffer(blob, "<u2") for (blob,) in blobs)
    return sum(bool((vector & _EXPONENT == _EXPONENT).any()) for vector in halves)


def _last(connection: sqlite3.Connection) -> int:
    """Return the number of the last record, from any page that is still readable."""
    for sql in (
        "SELECT seq FROM sqlite_sequence WHERE name = 'records'",
        "SELECT max(n) FROM records",
        "SELECT max(n) FROM records INDEXED BY records_scope",
    ):
        try:
            (found,) = connection.execute(sql).fetchone() or (None,)
        except failures_or(UnicodeDecodeError, name="DatabaseError"):
            continue
        if found is not None:
            return int(found)
    return 0


def _stored(database: Database) -> int:
    """Return how many records there should be; 0 if that cannot be read."""
    database.reconnect()
    with database.read("verify") as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM records").fetchone()[0])
        except failures_or(UnicodeDecodeError, name="DatabaseError"):
            return 0


def _readable(database: Database, first: int, last: int) -> Iterator[Record]:
    """Yield the readable records of a range of rows, halving the range on errors."""
    sql = f"SELECT {rows.COLUMNS} FROM records r WHERE r.n BETWEEN ? AND ? ORDER BY r.n"
    try:
        with database.read("verify") as connection:
            found = [rows.to_record(row) for row in connection.execute(sql, (first, last))]
    except failures_or(StoreError, UnicodeDecodeError, name="DatabaseError"):
        database.reconnect()
        if first < last:
            middle = (first + last) // 2
            yield from _readable(database, first, middle)
            yield from _readable(database, middle + 1, last)
        return
    yield from found
