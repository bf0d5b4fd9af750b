"""Connections to one SQLite file: opening it, reading and writing.

Each thread has its own connection, because a connection with an open transaction cannot be shared.
Every write is a `BEGIN IMMEDIATE` transaction. It takes the lock before it reads, so a writer waits
(up to `BUSY_S`) instead of failing midway with "database is locked".
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from lmort_memory.errors import StoreError
from lmort_memory.paths import beside, make_private_dir, touch_private
from lmort_memory.store import schema
from lmort_memory.store.encryption import Key, connect, failures
from lmort_memory.store.file_checks import (
    FileInUse,
    is_writable,
    refuse_foreign,
    refuse_second_name,
)
from lmort_memory.store.locks import someone_waits, waiting
from lmort_memory.store.sqlite_errors import translated

__all__ = ["Database"]

BUSY_S = 60.0  # how long a writer waits for others; a write takes milliseconds
TRY_AGAIN_S = (0.0005, 0.002)  # between two attempts; a commit takes a few milliseconds
CHECKPOINT_S = 5.0  # how long a checkpoint waits for readers; it can also happen later

# What other openers cause: a lock, or its protocol when they win the race for it time and again.
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
PRAGMAS = """
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
PRAGMA synchronous = FULL;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16000;
"""


class Database:
    """One database file; thread-safe.

    Args:
        path: The file, absolute; created where it is missing.
        named: The path that the user gave, absolute, if it reaches `path` through links.
        key: What opens it, where it is encrypted; see `unlock`.
        read_only: Change nothing.

    Raises:
        StoreError: it is another program's database, has a newer schema, has a second name (a hard
            link), or cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        named: Path | None = None,
        key: Key | None = None,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self.key = key
        self._file = FileInUse(named or path)
        self._queue = beside(path, "-queue")
        self._closed = False
        self._forget_connections()
        if key is None:
            refuse_foreign(path)
        self.read_only = read_only or (path.exists() and not is_writable(path))
        with self.translated("open"):
            if not self.read_only:
                make_private_dir(path.parent)
                touch_private(path)
                refuse_second_name(path)
            self._prepare(self._connection())
            self._file.remember()

    @contextmanager
    def read(self, doing: str = "read") -> Iterator[sqlite3.Connection]:
        """Yield this thread's connection; each statement sees the latest commit."""
        with self.translated(doing):
            yield self._connection()

    @contextmanager
    def snapshot(self, doing: str = "read") -> Iterator[sqlite3.Connection]:
        """Yield this thread's connection with one snapshot for several statements."""
        with self.translated(doing):
            connection = self._connection()
            if connection.in_transaction:  # inside a write, which already has a snapshot
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:  # SQLite rolls back by itself if the disk fails
                    connection.execute("COMMIT")

    @contextmanager
    def write(self, doing: str = "write") -> Iterator[sqlite3.Connection]:
        """Yield this thread's connection inside a transaction, durable once the block succeeds.

        Threads of this process queue at our own lock, processes at SQLite's. After a write, a
        process pauses briefly if another one waits.
        """
        with self._writing, self.translated(doing):
            connection = self._connection()
            self._begin(connection)
            try:
                self._file.check()  # again, now that no other process writes
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if (
                    connection.in_transaction
                ):  # SQLite has rolled back by itself if the disk is full
                    connection.execute("ROLLBACK")
                raise
        if someone_waits(self._queue):
            time.sleep(TRY_AGAIN_S[1])

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Begin a write transaction as soon as no other process is writing.

        SQLite's own retries back off to a tenth of a second. A process that writes without pause
        would then lock out all others, because it always retries first.
        """
        try:
            connection.execute("PRAGMA busy_timeout = 0")
            if self._began(connection):
                return
            deadline = time.monotonic() + BUSY_S
            with waiting(self._queue):
                while not self._began(connection, last=time.monotonic() > deadline):
                    time.sleep(random.uniform(*TRY_AGAIN_S))
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(1000 * BUSY_S)}")

    def _began(self, connection: sqlite3.Connection, *, last: bool = False) -> bool:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except failures("OperationalError") as error:
            if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return False
        return True

    def truncate_log(self) -> bool:
        """Checkpoint and truncate the write-ahead log; False if a reader blocks it."""
        with self.translated("checkpoint"):
            # A separate connection with a short timeout for readers.
            connection = connect(self.path, self.key, timeout=CHECKPOINT_S, isolation_level=None)
            try:
                busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except failures("OperationalError") as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                busy = True
            finally:
                connection.close()
        return not busy

    def free_pages(self) -> None:
        """Return free pages to the file system."""
        with self.read("compact") as connection:
            # This pragma frees one page per step, and `execute` makes only one step if there are no
            # columns; `executescript` runs to the end.
            connection.executescript("PRAGMA incremental_vacuum")

    def translated(self, doing: str) -> AbstractContextManager[None]:
        """Turn errors from SQLite and the file system into StoreError."""
        return translated(self.path, doing)

    def close(self) -> None:
        """Close the connections of all threads; calling it again does nothing."""
        with self._guard:
            self._closed = True
            connections = list(self._all)
            self._all.clear()
        for connection in connections:
            with suppress(*failures()):
                connection.close()

    def _connection(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(f"cannot use {self.path}: it was closed — open it again")
        if os.getpid() != self._process:
            self._forget_connections()
        self._file.check()
        held: _Held | None = getattr(self._local, "held", None)
        if held is None:
            held = self._local.held = self._connect()
        return held.connection

    def reconnect(self) -> None:
        """Read on with another connection in this thread, if the database is encrypted.

        After a damaged page SQLCipher reads nothing more through a connection.
        """
        if self.key is not None:
            self._local.held = None  # its finalizer closes the connection

    def _forget_connections(self) -> None:
        """Start without connections: at first, and in a forked process.

        SQLite forbids using or even closing a connection that was opened before a fork.
        """
        self._process = os.getpid()
        self._local = threading.local()
        self._all: set[sqlite3.Connection] = set()
        self._guard = threading.RLock()
        self._writing = threading.RLock()

    def _connect(self) -> _Held:
        connection = self._read_only() if self.read_only else self._opened(str(self.path))
        with self._guard:
            self._all.add(connection)
        held = _Held(connection)
        # A thread's locals, and with them its connection, are freed when it ends.
        weakref.finalize(held, _let_go, connection, self._all, self._guard).atexit = False
        return held

    def _read_only(self) -> sqlite3.Connection:
        """Connect to a file on a read-only medium, or to a damaged one.

        In WAL mode, SQLite needs a file beside the database. If it cannot create one, the database
        is opened as immutable. The log is then not read; a clean close has emptied it.
        """
        uri = f"file:{quote(str(self.path))}?mode=ro"
        try:
            connection = self._opened(uri)
            _load_schema(connection)
        except failures("OperationalError"):
            connection = self._opened(f"{uri}&immutable=1")
            _load_schema(connection)
        return connection

    def _opened(self, name: str) -> sqlite3.Connection:
        # check_same_thread is off only so that close() can close every thread's connection.
        connection = connect(
            name,
            self.key,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
            uri=name.startswith("file:"),
        )
        if self.read_only:
            # SQLite refuses a file that was cut, or whose schema cannot be read to its end, unless
            # this is on. It changes nothing here: nothing is written.
            connection.execute("PRAGMA writable_schema = ON")
        connection.executescript(PRAGMAS)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = schema.checked_version(connection, self.path)
        if version == 0 and not self.read_only:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        if not self.read_only:
            switch_to_wal(connection)  # backups do not have it
        if version < schema.VERSION:
            if self.read_only:
                raise StoreError(
                    f"cannot open {self.path}: its schema {version} must be upgraded to"
                    f" {schema.VERSION}, but it is read-only — copy it to a writable folder"
                )
            with self.write("migrate"):
                schema.migrate(connection, self.path)
            # Write the version to the main file at once: `refuse_foreign` reads it there.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _load_schema(connection: sqlite3.Connection) -> None:
    """Load what can be read of the schema: damage fails the first statement, and no later one.

    The triggers come last, and VACUUM puts them on the last pages: where a file was cut.

    Raises:
        OperationalError: SQLite cannot create its file beside the database.
    """
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except failures("OperationalError"):
        raise
    except failures("DatabaseError"):
        return


class _Held:
    """The connection of one thread; it lives as long as the thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection


def _let_go(
    connection: sqlite3.Connection, among: set[sqlite3.Connection], guard: threading.RLock
) -> None:
    with guard:
        among.discard(connection)
    with suppress(connection.Error):  # of its own kind of SQLite, however early or late this runs
        connection.close()


def switch_to_wal(connection: sqlite3.Connection) -> None:
    """Turn on write-ahead logging, waiting for other openers, which SQLite does not do here.

    A disk that fails, say, is not waited for: it would fail for a minute.
    """
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except failures("OperationalError") as error:
            if time.monotonic() > deadline or error.sqlite_errorcode & 0xFF not in _PASSING:
                raise
            time.sleep(0.01)
