"""Opening: what is not ours stays untouched, what is ours is private, errors say what to do."""

import os
import sqlite3
import stat
import sys
from contextlib import closing

import pytest

from lmort_memory.errors import StoreError
from lmort_memory.store import Filter, SQLiteStore, connection, schema
from lmort_memory.types import Turn


def _database(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def not_ours(tmp_path):
    """Return a function that makes a file that is not a database of ours, by name."""
    makers = {
        "text": lambda p: p.write_text("Dear diary, " * 20),
        "short": lambda p: p.write_bytes(b"SQLite format 3\0"),
        "gguf": lambda p: p.write_bytes(b"GGUF" + bytes(200)),
        "another program's": lambda p: _database(
            p, "CREATE TABLE visits (url TEXT)", "PRAGMA application_id = 1"
        ),
        "a plain database": lambda p: _database(p, "CREATE TABLE visits (url TEXT)"),
        "a newer schema": lambda p: _database(
            p,
            "CREATE TABLE records (id TEXT)",
            f"PRAGMA application_id = {schema.APPLICATION_ID}",
            f"PRAGMA user_version = {schema.VERSION + 1}",
        ),
        "a folder": lambda p: p.mkdir(),
    }

    def make(name):
        path = tmp_path / "memory.db"
        makers[name](path)
        return path

    return make


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text", "not a SQLite database"),
        ("short", "not a SQLite database"),
        ("gguf", "not a SQLite database"),
        ("another program's", "another program"),
        ("a plain database", "another program"),
        ("a newer schema", f"has schema {schema.VERSION + 1}"),
        ("a folder", "not a file"),
    ],
)
def test_what_is_not_ours_is_refused_and_untouched(not_ours, tmp_path, name, message):
    """A file that is not ours gives one clear error; not a byte of it or beside it changes."""
    path = not_ours(name)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=message) as caught:
        SQLiteStore(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["memory.db"]
    assert before is None or path.read_bytes() == before


def test_a_new_database_is_private(tmp_path):
    """The folder has mode 0700, database and log 0600, whatever the umask allows."""
    old = os.umask(0)
    try:
        with SQLiteStore(tmp_path / "new" / "deeper" / "memory.db") as store:
            store.add([Turn("a")])
            files = list(store.path.parent.iterdir())
            folders = [tmp_path / "new", tmp_path / "new" / "deeper"]
            modes = {stat.S_IMODE(path.stat().st_mode) for path in files}
            assert {path.name for path in files} >= {"memory.db", "memory.db-wal"}
            assert modes == {0o600}
            assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    finally:
        os.umask(old)


def test_an_empty_file_is_a_new_database(tmp_path):
    """A file that a crash left empty is taken over."""
    (tmp_path / "memory.db").touch()
    with SQLiteStore(tmp_path / "memory.db") as store:
        store.add([Turn("a")])
        assert len(list(store.records(Filter()))) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
def test_a_failing_disk_is_not_waited_for(tmp_path, monkeypatch):
    """Opening tries again while others hold a lock, and ends at once where the disk fails."""
    import resource

    monkeypatch.setattr(connection, "BUSY_S", 0.2)
    attempts = []
    opened = sqlite3.connect(tmp_path / "memory.db", timeout=0, isolation_level=None)
    opened.set_trace_callback(attempts.append)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            connection.switch_to_wal(opened)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(attempts) == 1
    with closing(sqlite3.connect(tmp_path / "memory.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            connection.switch_to_wal(opened)
    assert len(attempts) > 2
    connection.switch_to_wal(opened)
    opened.close()


def test_an_error_that_ends_a_snapshot_is_the_one_that_is_told(tmp_path):
    """Where SQLite has rolled back by itself, the error says why, not that nothing is open."""
    database = connection.Database(tmp_path / "memory.db")
    incomplete = "INSERT OR ROLLBACK INTO sources (uri, scope) VALUES ('a', 'b')"
    with (
        pytest.raises(StoreError, match="constraint failed"),
        database.snapshot() as reading,
    ):
        reading.execute(incomplete)
    with database.snapshot() as reading:
        assert reading.in_transaction
    database.close()


def test_a_closed_store_says_so(tmp_path):
    """Using a closed store is a StoreError, and closing twice is none."""
    store = SQLiteStore(tmp_path / "memory.db")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.get(["a"])


def test_a_failed_add_stores_nothing(tmp_path):
    """Of a list with one impossible turn, none is stored."""
    with SQLiteStore(tmp_path / "memory.db") as store:
        with pytest.raises(ValueError, match="JSON"):
            store.add([Turn("fine"), Turn("not fine", metadata={"x": {1, 2}})])
        with pytest.raises(ValueError, match="nan"):
            store.add([Turn("fine"), Turn("not fine", metadata={"x": float("nan")})])
        assert list(store.records(Filter())) == []
        assert store.add([Turn("fine")])[0].new


def test_backup_is_a_whole_database(tmp_path):
    """A copy made while the store is open holds everything, is private, and replaces nothing.

    Its folder must be there: that of a disk which is not mounted would be made on another one.
    """
    with SQLiteStore(tmp_path / "memory.db") as store:
        store.add([Turn("bees")])
        with pytest.raises(StoreError, match="there is no folder"):
            store.backup(tmp_path / "copies" / "copy.db")
        (tmp_path / "copies").mkdir()
        store.backup(tmp_path / "copies" / "copy.db")
        with pytest.raises(StoreError, match="it exists"):
            store.backup(tmp_path / "copies" / "copy.db")
        store.add([Turn("later")])
    assert [file.name for file in (tmp_path / "copies").iterdir()] == ["copy.db"]
    assert stat.S_IMODE((tmp_path / "copies" / "copy.db").stat().st_mode) == 0o600
    with SQLiteStore(tmp_path / "copies" / "copy.db") as copy:
        assert [record.text for record in copy.records(Filter())] == ["bees"]
        assert copy.lexical("bees", Filter(), limit=1)


def test_damage_is_found_and_the_rest_can_be_read(tmp_path):
    """With broken pages, `verify` says so, and what lies on others is still readable."""
    path = tmp_path / "memory.db"
    with SQLiteStore(path) as store:
        store.add([Turn(f"number {i} " + "x" * 300) for i in range(400)])
        assert store.verify().ok and store.verify().readable == 400
    data = bytearray(path.read_bytes())
    while (place := data.find(b"number 200 ")) >= 0:  # the row, and the words
        data[place - place % 4096 : place - place % 4096 + 4096] = bytes(4096)
    path.write_bytes(data)
    with SQLiteStore(path) as store:
        found = store.verify()
        texts = {record.text.split(" x")[0] for record in store.readable_records()}
    assert not found.ok and found.problems
    assert found.readable == len(texts) and 350 <= len(texts) < 400
    assert "number 200" not in texts and {"number 0", "number 399"} <= texts
