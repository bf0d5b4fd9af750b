"""Lost connections are repeated without writing twice; passwords show nowhere."""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from lmort_memory.errors import StoreError
from lmort_memory.store.postgres import connection as connections
from lmort_memory.store.postgres.address import parse_address, shown
from lmort_memory.store.postgres.store import PostgresStore
from lmort_memory.store.values import Filter
from lmort_memory.testing import HashEncoder
from lmort_memory.types import Turn

KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = 'postgres' AND pid != pg_backend_pid() AND backend_type = 'client backend'"
)


def test_terminated_backends_lose_and_repeat_nothing(postgres):
    """While every connection is cut again and again, each turn is stored exactly once."""
    store = postgres.open()
    done = threading.Event()
    cuts, stored = [], []

    def cut():
        last = 0
        while not done.is_set():
            if len(stored) > last + 2:  # some work between two cuts, however slow the machine
                last = len(stored)
                cuts.append(len(postgres.run(KILL)))
            time.sleep(0.01)

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        for _ in range(60):
            stored += store.add([Turn("yes", session="s")])
        found = [store.lexical("yes", Filter(), limit=99) for _ in range(10)]
    finally:
        done.set()
        cutter.join()
    assert sum(cuts) > 5, "nothing was cut"
    assert all(one.new for one in stored)
    assert len({one.record.id for one in stored}) == 60
    assert store.facets(Filter()).total == 60, "a turn was lost or stored twice"
    assert len(found[-1]) == 60


def test_a_commit_whose_answer_was_lost_is_not_repeated(postgres, monkeypatch):
    """If the connection dies after the commit, the server is asked, and the work runs once."""
    store = postgres.open()
    runs = []

    real = psycopg.Transaction.__exit__

    def loses_the_answer(self, kind, error, trace):
        found = real(self, kind, error, trace)
        if len(runs) == 1 and kind is None:
            runs.append("lost")
            self.connection.pgconn.finish()
            raise psycopg.OperationalError("the connection was lost")
        return found

    monkeypatch.setattr(psycopg.Transaction, "__exit__", loses_the_answer)
    runs.append("armed")
    [stored] = store.add([Turn("once", session="s")])
    assert runs == ["armed", "lost"] and stored.new
    assert [r.text for r in store.records(Filter())] == ["once"]


def test_a_rolled_back_transaction_is_repeated(postgres):
    """A connection cut in the middle of a transaction leaves nothing, and the work runs again."""
    store = postgres.open()
    server = store._server
    attempts = []

    def work(connection):
        attempts.append(connection.info.backend_pid)
        connection.execute("INSERT INTO audit (at, action, count) VALUES (1, 'test', 1)")
        if len(attempts) == 1:
            postgres.run("SELECT pg_terminate_backend(%s)", [attempts[0]])
        return connection.execute("SELECT count(*) FROM audit").fetchone()[0]

    assert server.write("test", work) == 1
    assert len(attempts) == 2


def test_a_server_that_is_gone_is_one_clear_line():
    """A wrong host fails at once, with what to do and without the password."""
    with pytest.raises(StoreError, match="cannot open postgresql://ada@/x") as caught:
        PostgresStore("postgresql://ada:geheim%21@/x?host=/nowhere&connect_timeout=2")
    assert "geheim" not in str(caught.value) and "check that the server runs" in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_newer_schema_is_refused_in_one_line(postgres):
    """A database of a later version is not touched."""
    schema = postgres.fresh_schema()
    postgres.open(schema=schema)
    postgres.run("UPDATE schema_version SET version = 99", schema=schema)
    with pytest.raises(StoreError, match="it has schema 99, this version reads up to 1"):
        postgres.open(schema=schema)


def test_another_programs_schema_is_refused(postgres):
    """A schema with a table `records` that is not ours stays as it is."""
    schema = postgres.fresh_schema()
    postgres.run(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.records (x int)")
    with pytest.raises(StoreError, match="another program"):
        postgres.open(schema=schema)


@pytest.mark.parametrize("place", ["pub", 'odd "name", and long'])
def test_vectors_are_found_in_any_schema(postgres, place):
    """The extension may be in another schema: of a name that is part of ours, or with quotes."""
    database = f"database_{postgres.fresh_schema()}"
    postgres.run(f"CREATE DATABASE {database}")
    url = postgres.url().replace("/postgres?", f"/{database}?")
    schema = '"{}"'.format(place.replace('"', '""'))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"CREATE EXTENSION vector SCHEMA {schema}")
    encoder = HashEncoder(16)
    with PostgresStore(f"{url}&pool_size=2") as store:
        record = store.add([Turn("bees")], space=encoder.space, encoded=encoder.encode(["bees"]))
        found = store.dense(encoder.space, encoder.encode_query("bees"), Filter(), limit=1)
        assert [match.id for match in found] == [record[0].record.id]


def test_two_that_open_at_once_migrate_once(postgres):
    """Programs that start together on an empty database do not collide."""
    schema = postgres.fresh_schema()
    failures = []

    def start():
        try:
            postgres.open(schema=schema)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failures == []
    assert postgres.run("SELECT count(*) FROM schema_version", schema=schema) == [(1,)]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ada:s3cr%40t@h:5/db", "postgresql://ada@h:5/db"),
        ("postgresql://ada:a@b:c@h/db?x=1", "postgresql://ada@h/db?x=1"),
        ("postgresql://h/db?user=ada&password=s3cr%40t", "postgresql://h/db?user=ada"),
        ("postgresql://ada@h/db?sslpassword=x&passfile=/p", "postgresql://ada@h/db"),
        ("postgresql://h", "postgresql://h"),
    ],
)
def test_urls_are_shown_without_passwords(url, expected):
    """Whichever way a URL holds a password, people see none."""
    assert shown(url) == expected
    assert "s3cr" not in repr(parse_address(url)) and "s3cr@t" not in repr(parse_address(url))


def test_a_wrong_password_shows_nowhere(postgres, caplog):
    """Neither the error nor any log line holds the password that was refused."""
    postgres.run("CREATE ROLE scrambled LOGIN PASSWORD 'right'")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(StoreError) as caught:
        postgres.open("scrambled:wr0ng-guess")
    assert "wr0ng" not in f"{caught.value!r} {caught.value}" + caplog.text
    assert "password authentication failed" in str(caught.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_the_password_is_overwritten_in_the_arguments(tmp_path):
    """After the options are read, /proc shows stars where the password was."""
    code = (
        "from cli.secrets import hide_arguments; hide_arguments();"
        "print(open('/proc/self/cmdline').read())"
    )
    url = "postgresql://ada:s3cret-words@h/db"
    found = subprocess.run(
        [sys.executable, "-c", code, "--db", url],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    ).stdout
    assert "s3cret-words" not in found and "postgresql://ada:************@h/db" in found


def test_patience_is_bounded(postgres, monkeypatch):
    """A server that stays away is asked again for a while, and given up in the end."""
    assert 5 <= connections.PATIENCE_S <= 120
    monkeypatch.setattr(connections, "PATIENCE_S", 0.2)
    store = postgres.open()
    attempts = []

    def work(connection):
        attempts.append(connection)
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(StoreError, match=r"cannot read .* — check that the server runs"):
        store._server.read("read", work)
    assert len(attempts) > 1
