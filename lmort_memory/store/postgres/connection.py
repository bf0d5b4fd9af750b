"""Connections to one PostgreSQL database: a pool, transactions, retries, and error messages.

A statement that a lost connection interrupted is repeated on a new one, for up to `PATIENCE_S`. If
the connection is lost while a transaction commits, the server is asked afterwards whether it did:
so nothing is written twice, and nothing is given up that could be finished.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from lmort_memory.errors import MissingDependencyError, StoreError
from lmort_memory.store.postgres.address import Address

__all__ = ["Connection", "Server", "fetching", "marked"]

Connection = Any
"""A psycopg connection in autocommit mode."""

T = TypeVar("T")

PATIENCE_S = 30.0  # how long to wait for a server that restarts, or for a free connection
FIRST_PAUSE_S, LAST_PAUSE_S = 0.02, 1.0
CONNECT_S = 10
# Of graphs: walk on until enough vectors pass a filter, but give up after so many.
_SCANS = "SET hnsw.iterative_scan = 'relaxed_order'; SET hnsw.max_scan_tuples = 40000"
_LOST = ("08", "57P01", "57P02", "57P03")  # connection lost, shut down, starting
_AGAIN = ("40001", "40P01")  # serialization failure, deadlock

_ADVICE = {
    "28": "check user and password; a password may be in ~/.pgpass or $PGPASSWORD",
    "3D000": "create it first: createdb NAME",
    "25006": "it is a replica or read-only: name the primary server",
    "42501": "the role lacks a privilege: docs/postgres.md, “Tenants”, has the commands",
    "53100": "the server's disk is full; everything stored before is intact",
    "53300": "the server has no free connection: lower pool_size, or use a session pooler",
    "57014": "the server cancelled it: raise statement_timeout for this role",
}


class Server:
    """A database on a server; thread-safe.

    Args:
        address: Where it is.

    Raises:
        MissingDependencyError: psycopg is not installed.
        StoreError: it cannot be reached or refuses.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._psycopg = _import_psycopg()
        # Our own errors say what its log would: nothing for people who never set up logging.
        logging.getLogger("psycopg").addHandler(logging.NullHandler())
        self._local = threading.local()
        self._guard = threading.Lock()
        self._pool: Any = None
        self._process = 0
        self._closed = False
        self._schemas = [address.schema, "public"]
        try:  # a clear error at once, where the pool would wait
            with self.separate() as connection:
                self._find_vector_type(connection)
        except self._psycopg.Error as error:
            raise self.failed("open", error) from None

    def read(self, doing: str, work: Callable[[Connection], T]) -> T:
        """Return what `work` reads; each of its statements sees the latest commits."""
        return self._attempt(doing, lambda: self._read(work))

    def snapshot(self, doing: str, work: Callable[[Connection], T]) -> T:
        """Return what `work` reads in one snapshot."""
        return self._attempt(doing, lambda: self._snapshot(work))

    def write(self, doing: str, work: Callable[[Connection], T]) -> T:
        """Return what `work` does in one transaction, which is durable then.

        `work` may run more than once; only one run takes effect.
        """
        found: T = self._attempt(doing, _Write(self, work))
        return found

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let every read of this thread inside the block see one snapshot; no writes."""
        with self.borrowed() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            self._local.connection = connection
            try:
                yield
            finally:
                del self._local.connection

    @contextmanager
    def separate(self) -> Iterator[Connection]:
        """Yield a connection outside the pool, for one long statement."""
        connection = self._connect()
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def borrowed(self) -> Iterator[Connection]:
        """Yield a connection of the pool, or that of the surrounding `frozen`."""
        own = getattr(self._local, "connection", None)
        if own is not None:
            yield own
            return
        with self._open_pool().connection(timeout=PATIENCE_S) as connection:
            yield connection

    @property
    def errors(self) -> Any:  # noqa: ANN401  psycopg's class, imported late
        """The base of every error of the database."""
        return self._psycopg.Error

    def failed(self, doing: str, error: Exception) -> StoreError:
        """Return a StoreError that says what failed, without any password."""
        told = self.address.scrubbed(" ".join(str(error).split()) or type(error).__name__)
        state = getattr(error, "sqlstate", None) or ""
        advice = next((text for code, text in _ADVICE.items() if state.startswith(code)), None)
        if advice is None and self._is_lost(error):
            advice = "check that the server runs and can be reached, then repeat it"
        return StoreError(
            f"cannot {doing} {self.address.shown}: {told} — {advice or 'nothing was changed'}"
        )

    def close(self) -> None:
        """Close all connections; calling it again does nothing."""
        with self._guard:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None and self._process == os.getpid():
            pool.close()

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self.borrowed() as connection:
            return work(connection)

    def _snapshot(self, work: Callable[[Connection], T]) -> T:
        with self.borrowed() as connection:
            if getattr(self._local, "connection", None) is not None:
                return work(connection)
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                return work(connection)

    def _attempt(self, doing: str, act: Callable[[], T]) -> T:
        deadline = time.monotonic() + PATIENCE_S
        pause = FIRST_PAUSE_S
        while True:
            try:
                return act()
            except self._psycopg.Error as error:
                again = self._is_lost(error) or (error.sqlstate or "") in _AGAIN
                frozen = getattr(self._local, "connection", None) is not None
                if frozen or not again or time.monotonic() + pause > deadline:
                    # `from None`: the original may quote the URL, with its password.
                    raise self.failed(doing, error) from None
            time.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE_S)

    def _is_lost(self, error: Exception) -> bool:
        state = getattr(error, "sqlstate", None)
        if state:
            return str(state).startswith(_LOST)
        # A lost connection has no state; nor has one that never was.
        return isinstance(error, self._psycopg.OperationalError | self._psycopg.InterfaceError)

    def _find_vector_type(self, connection: Connection) -> None:
        """Look for pgvector's types in whatever schema the extension is.

        Before there is a pool: its connections keep the search path that they began with.
        """
        row = connection.execute(
            "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
            " WHERE e.extname = 'vector'"
        ).fetchone()
        if row is not None and row[0] not in self._schemas:
            self._schemas.append(row[0])

    def _connect(self) -> Connection:
        connection = self._psycopg.connect(
            self.address.url, autocommit=True, connect_timeout=CONNECT_S
        )
        self._configure(connection)
        return connection

    def _configure(self, connection: Connection) -> None:
        """Prepare a connection: our schema, graphs, and the scope of row-level security."""
        path = ", ".join('"{}"'.format(name.replace('"', '""')) for name in self._schemas)
        connection.execute(f"SET search_path = {path}; {_SCANS}")
        if self.address.scope is not None:
            connection.execute("SELECT set_config('lmort.scope', %s, false)", [self.address.scope])

    def _open_pool(self) -> Any:  # noqa: ANN401  psycopg_pool's class, imported late
        with self._guard:
            if self._closed:
                raise StoreError(f"cannot use {self.address.shown}: it was closed — open it again")
            if self._pool is None or self._process != os.getpid():  # a fork shares no connection
                from psycopg_pool import ConnectionPool

                self._process = os.getpid()
                self._pool = ConnectionPool(
                    self.address.url,
                    kwargs={"autocommit": True, "connect_timeout": CONNECT_S},
                    min_size=1,
                    max_size=self.address.pool_size,
                    configure=self._configure,
                    open=True,
                    name="lmort-memory",
                )
            return self._pool


class _Write:
    """One transaction, repeated until it is known to be committed."""

    def __init__(self, server: Server, work: Callable[[Connection], Any]) -> None:
        self._server = server
        self._work = work
        self._xid: str | None = None
        self._result: Any = None

    def __call__(self) -> Any:  # noqa: ANN401  what `work` returns
        with self._server.borrowed() as connection:
            if self._xid is not None and _committed(connection, self._xid):
                return self._result
            self._xid = None
            with connection.transaction():
                self._result = self._work(connection)
                row = connection.execute("SELECT pg_current_xact_id_if_assigned()::text").fetchone()
                self._xid = row[0]
            return self._result


def _committed(connection: Connection, xid: str) -> bool:
    """Return whether a transaction of a lost connection was committed, once the server knows."""
    while True:
        row = connection.execute("SELECT pg_xact_status(CAST(%s AS xid8))", [xid]).fetchone()
        if row[0] != "in progress":
            return bool(row[0] == "committed")
        time.sleep(FIRST_PAUSE_S)


def pipelined(connection: Connection) -> AbstractContextManager[object]:
    """Send the statements in the block without waiting for each; fetching waits for all so far.

    No row counts in the block: they are known only after it.
    """
    import psycopg

    return connection.pipeline() if psycopg.Pipeline.is_supported() else nullcontext()


def marked(sql: str) -> str:
    """Return SQL that both stores share with psycopg's placeholders in place of SQLite's."""
    return sql.replace("?", "%s")


def fetching(sql: str, values: Sequence[object]) -> Callable[[Connection], list[tuple[Any, ...]]]:
    """Return what reads all rows of a statement."""

    def work(connection: Connection) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = connection.execute(sql, values).fetchall()
        return found

    return work


def _import_psycopg() -> Any:  # noqa: ANN401  an optional package
    try:
        import pgvector.psycopg  # noqa: F401
        import psycopg
        import psycopg_pool  # noqa: F401
        import snowballstemmer  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(error.name or "psycopg", extra="postgres") from error
    return psycopg
