"""Damaged databases: each says what it is, what is left can be saved, no advice goes in circles."""

import random
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from lmort_memory import Memory, StoreError
from lmort_memory.store import SQLiteStore
from lmort_memory.store.restoring import restore_backup
from lmort_memory.testing import HashEncoder
from tests.support.cli import Cli

N = 300
PAGE = 4096


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A sound database of many pages, as bytes."""
    path = tmp_path_factory.mktemp("sound") / "m.db"
    with Memory(HashEncoder(32), SQLiteStore(path)) as memory:
        memory.add([f"record number {i} about {'bees and honey ' * 12}" for i in range(N)])
    return path.read_bytes()


def overwritten(data, start, piece):
    """Return the data with a piece of it replaced."""
    return data[:start] + piece + data[start + len(piece) :]


DAMAGE = {
    "cut by a thousandth": (lambda d: d[: len(d) - len(d) // 1000], 0.9),
    "cut by a twentieth": (lambda d: d[: len(d) - len(d) // 20], 0.5),
    "cut in the middle": (lambda d: d[: len(d) // 2], 0.05),
    "cut to its first page": (lambda d: d[:PAGE], 0.0),
    "zeroed in the middle": (
        lambda d: overwritten(d, len(d) // 2 // PAGE * PAGE, bytes(2 * PAGE)),
        0.5,
    ),
    "header zeroed": (lambda d: overwritten(d, 0, bytes(100)), 1.0),
    "size in the header wrong": (lambda d: overwritten(d, 28, (10**6).to_bytes(4, "big")), 1.0),
    "garbled page": (lambda d: overwritten(d, 40 * PAGE, random.Random(1).randbytes(PAGE)), 0.5),
    "garbled first page": (
        lambda d: overwritten(d, 100, random.Random(2).randbytes(PAGE - 100)),
        0.0,
    ),
}


@pytest.mark.parametrize("state", DAMAGE)
def test_what_is_left_is_counted_and_saved(tmp_path, monkeypatch, capsys, sound, state):
    """`verify` says how much can be read, and `export --salvage` saves just that."""
    cli = Cli(monkeypatch, capsys)
    damage, share = DAMAGE[state]
    path, saved, new = tmp_path / "m.db", tmp_path / "saved.jsonl", tmp_path / "new.db"
    path.write_bytes(damage(sound))
    before = path.read_bytes()

    verified = cli("verify", "--json", "--db", path)
    readable = verified.json["readable"]
    assert verified.status == 1 and verified.json["problems"]
    assert share * N <= readable <= N
    plain = cli("verify", "--db", path)
    assert "lmort-mem restore BACKUP" in plain.err
    assert ("--salvage" in plain.err) == (readable > 0)

    done = cli("export", saved, "--salvage", "--db", path)
    if not readable:
        assert done.status == 1 and "lmort-mem restore BACKUP" in done.err
        assert "--salvage" not in done.err
        return
    assert done.status == 0 and len(saved.read_text().splitlines()) == readable
    assert cli("import", saved, "--no-vectors", "--db", new).status == 0
    with Memory(None, SQLiteStore(new)) as memory:
        assert memory.status().store.records == readable
        assert all(one.text.startswith("record number") for one in memory.records())
    if state.startswith("cut"):
        assert path.read_bytes() == before, "the damaged file was touched"


@pytest.mark.parametrize("lost", [1, PAGE, 3 * PAGE])
def test_the_end_of_a_file_that_was_rewritten_takes_no_record_along(
    tmp_path, monkeypatch, capsys, lost
):
    """A forget and `gc` put the end of the schema on the last page: all records are before it."""
    cli = Cli(monkeypatch, capsys)
    path, saved = tmp_path / "m.db", tmp_path / "saved.jsonl"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add([f"record number {i} about {'bees and honey ' * 12}" for i in range(N)])
        memory.store.compact()
    path.write_bytes(path.read_bytes()[:-lost])
    verified = cli("verify", "--json", "--db", path)
    assert verified.status == 1 and verified.json["readable"] == N
    assert cli("export", saved, "--salvage", "--db", path).status == 0
    assert len(saved.read_text().splitlines()) == N


def test_a_backup_takes_the_place_of_a_damaged_database(tmp_path, monkeypatch, capsys):
    """Restore works over damage and over a log that a crash has left, and keeps what was there."""
    cli = Cli(monkeypatch, capsys)
    path, backup = tmp_path / "m.db", tmp_path / "backup.db"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add("Ada keeps bees.")
        memory.backup(backup)
        memory.add("Bob sails.")
    path.write_bytes(path.read_bytes()[:5000])
    path.with_name("m.db-wal").write_bytes(b"left by a crash")
    assert cli("restore", backup, "--db", path).status == 2  # no terminal, and no --yes
    done = cli("restore", backup, "--db", path, "--yes", "--json")
    assert done.status == 0
    with Memory(None, SQLiteStore(path)) as memory:
        assert [one.text for one in memory.records()] == ["Ada keeps bees."]
        memory.add("It can be written.")
        assert memory.store.verify().ok
    aside = tmp_path / done.json["replaced"].rsplit("/", 1)[1]
    assert aside.stat().st_size == 5000
    assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"left by a crash"


def test_every_replaced_database_is_kept(tmp_path):
    """Restores within one second each leave their file beside the database."""
    path, backup = tmp_path / "m.db", tmp_path / "backup.db"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add("Ada keeps bees.")
        memory.backup(backup)
    aside = [restore_backup(backup, path) for _ in range(3)]
    assert len({*aside}) == 3 and all(one is not None and one.exists() for one in aside)


# Restores in copies of the folder "before": the n-th is killed at its n-th step in the file system.
# Ends with the first that comes through.
KILLED = """
import itertools, os, shutil, signal, sys
from pathlib import Path
from lmort_memory.store.restoring import restore_backup
steps = 0
def killed_at(last):
    def step(event, arguments):
        global steps
        if event in ("open", "os.link", "os.remove", "os.rename", "sqlite3.connect"):
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)
    return step
for n in itertools.count(1):
    shutil.copytree("before", str(n))
    child = os.fork()
    if not child:
        os.chdir(str(n))
        sys.addaudithook(killed_at(n))
        restore_backup(Path("backup.db"), Path("m.db"))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_killed_restore_leaves_one_whole_database(tmp_path):
    """At whatever step it is killed, the old database or the backup is there, with its log."""
    before = tmp_path / "before"
    before.mkdir()
    with Memory(None, SQLiteStore(before / "m.db")) as memory:
        memory.add("backed up")
        memory.backup(before / "backup.db")
    left_by_a_crash(before / "m.db")
    subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=True)
    folders = sorted(tmp_path.glob("[0-9]*"), key=lambda folder: int(folder.name))
    for folder in folders:
        with Memory(None, SQLiteStore(folder / "m.db")) as memory:
            texts = sorted(one.text for one in memory.records())
            memory.add("It can be written.")
        assert texts in (["backed up", "in the log"], ["backed up"]), folder.name
    assert len(folders) > 10 and texts == ["backed up"]


def test_what_was_set_aside_comes_back_with_its_log(tmp_path):
    """Restoring the replaced database brings back what only its log held."""
    path, backup = tmp_path / "m.db", tmp_path / "backup.db"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add("backed up")
        memory.backup(backup)
    left_by_a_crash(path)
    aside = restore_backup(backup, path)
    restore_backup(aside, path)
    with Memory(None, SQLiteStore(path)) as memory:
        assert sorted(one.text for one in memory.records()) == ["backed up", "in the log"]
        assert memory.store.verify().ok


def test_an_open_memory_does_not_write_over_a_restored_backup(tmp_path):
    """Whoever had the old database open is told, and the backup stays as it was."""
    path, backup = tmp_path / "m.db", tmp_path / "backup.db"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add("Ada keeps bees.")
        memory.backup(backup)
        restore_backup(backup, path)
        with pytest.raises(StoreError, match="replaced"):
            memory.add("Bob sails.")
    with Memory(None, SQLiteStore(path)) as memory:
        assert [one.text for one in memory.records()] == ["Ada keeps bees."]


@pytest.mark.parametrize("what", ["missing", "damaged", "foreign"])
def test_a_backup_that_is_none_replaces_nothing(tmp_path, sound, what):
    """A file that cannot be a sound backup is refused before the database is touched."""
    path, backup = tmp_path / "m.db", tmp_path / "backup.db"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add("Ada keeps bees.")
    if what == "damaged":
        backup.write_bytes(overwritten(sound, 40 * PAGE, bytes(PAGE)))
    elif what == "foreign":
        backup.write_text("notes")
    with pytest.raises(StoreError):
        restore_backup(backup, path)
    with Memory(None, SQLiteStore(path)) as memory:
        assert len(list(memory.records())) == 1


def test_backups_rotate(tmp_path, monkeypatch, capsys):
    """Backup --keep N leaves the last N of its own files in the folder, and nobody else's."""
    cli = Cli(monkeypatch, capsys)
    path, folder = tmp_path / "m.db", tmp_path / "backups"
    folder.mkdir()
    (folder / "m-mine.db").write_text("kept")
    cli("add", "bees", "--db", path, "--model", "")
    namesake = tmp_path / "elsewhere" / path.name
    cli("add", "ants", "--db", namesake, "--model", "")
    assert cli("backup", folder, "--keep", "2", "--db", namesake).status == 0
    other = next(one.name for one in folder.iterdir() if one.name != "m-mine.db")
    for _ in range(4):
        assert cli("backup", folder, "--keep", "2", "--db", path).status == 0
    names = sorted(one.name for one in folder.iterdir())
    assert len(names) == 4 and {"m-mine.db", other} <= set(names)


def sql(*statements):
    """Return a damage that is done by SQL."""

    def damage(path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    return damage


def left_by_a_crash(path):
    """Add a record that lies in the log only, and end without closing."""
    program = (
        "import os; from lmort_memory import Memory; from lmort_memory.store import SQLiteStore;"
        f"Memory(None, SQLiteStore({str(path)!r})).add('in the log'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program], check=False)


def garbled_log(path):
    """Leave the log of a crash, its second half overwritten."""
    left_by_a_crash(path)
    log = path.with_name("m.db-wal")
    data = log.read_bytes()
    assert data
    log.write_bytes(overwritten(data, len(data) // 2, bytes(len(data) - len(data) // 2)))


def not_a_number(path):
    """Put a NaN into one stored vector."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        ((n, vector),) = connection.execute("SELECT n, vector FROM vectors LIMIT 1").fetchall()
        spoiled = b"\x00\x7e" + vector[2:]
        connection.execute("UPDATE vectors SET vector = ? WHERE n = ?", (spoiled, n))


EARLIER = "INSERT INTO history (n, text, role, updated_at, metadata)"
# What is done; whether `verify` calls it damage; how many of the records are then salvaged.
STATES = {
    "vector with NaN": (not_a_number, True, N),
    "log garbled": (garbled_log, False, N),
    "shared memory garbled": (lambda p: p.with_name("m.db-shm").write_bytes(b"x" * 4096), False, N),
    "rest of a rollback journal": (
        lambda p: p.with_name("m.db-journal").write_bytes(b"x" * 5000),
        False,
        N,
    ),
    "a file where the index should be": (
        lambda p: p.with_name("m.db.index").write_text("x"),
        False,
        N,
    ),
    "a file where the states should be": (
        lambda p: p.with_name("m.db.states").write_text("x"),
        False,
        N,
    ),
    "metadata is no JSON": (sql("UPDATE records SET metadata = '{x' WHERE n = 5"), True, N - 1),
    "metadata is a list": (sql("UPDATE records SET metadata = '[1]' WHERE n = 5"), True, N - 1),
    "a text of bytes": (sql("UPDATE records SET text = x'ff00fe' WHERE n = 5"), True, N - 1),
    "a time of letters": (sql("UPDATE records SET created_at = 'now' WHERE n = 5"), True, N - 1),
    "a session of bytes": (sql("UPDATE records SET session = x'ff00' WHERE n = 5"), True, N - 1),
    "a text that is no UTF-8": (
        sql("UPDATE records SET text = CAST(x'ff41' AS TEXT) WHERE n = 5"),
        True,
        N - 1,
    ),
    "an earlier version of bytes": (
        sql(f"{EARLIER} VALUES (5, x'ff00', 'user', 1, '{{}}')"),
        True,
        N,
    ),
    "an earlier version that is no UTF-8": (
        sql(f"{EARLIER} VALUES (5, CAST(x'ff41' AS TEXT), 'user', 1, '{{}}')"),
        True,
        N,
    ),
    "an earlier version whose metadata is a number": (
        sql(f"{EARLIER} VALUES (5, 'bees', 'user', 1, '7')"),
        True,
        N,
    ),
    "an earlier version without metadata": (
        sql(f"{EARLIER} VALUES (5, 'bees', 'user', 1, '[1')"),
        True,
        N,
    ),
    "a source of bytes": (
        sql("INSERT INTO sources VALUES (x'ff', 'default', '', 1, 1, 1)"),
        True,
        N,
    ),
    "a vector cut short": (sql("UPDATE vectors SET vector = x'00' WHERE v = 5"), True, N),
    "a vector of text": (sql("UPDATE vectors SET vector = 'none' WHERE v = 5"), True, N),
    "a span of bytes": (sql("UPDATE vectors SET start = x'ff' WHERE v = 5"), True, N),
    "a ledger is no JSON": (sql("INSERT INTO ledger VALUES ('r', 's', 1, '[1')"), False, N),
    "a plan is no JSON": (sql("INSERT INTO purges (plan) VALUES ('{x')"), False, N),
    "a plan with hostile names": (
        sql("""INSERT INTO purges (plan) VALUES ('{"vectors": [1], "states": ["../victim"]}')"""),
        False,
        N,
    ),
    "a table is missing": (sql("DROP TABLE sources"), True, N),
    "the words are missing": (sql("DROP TABLE words"), True, N),
    "the words are garbled": (sql("UPDATE words_data SET block = x'00' WHERE id > 10"), True, N),
}


@pytest.mark.parametrize("state", STATES)
def test_states_of_damage(tmp_path, monkeypatch, capsys, sound, state):
    """No command ends in a traceback, `verify` says what is wrong, and the rest can be saved."""
    cli = Cli(monkeypatch, capsys)
    damage, is_damage, left = STATES[state]
    path, victim = tmp_path / "m.db", tmp_path / "victim"
    path.write_bytes(sound)
    victim.write_text("not ours")
    damage(path)
    verified = cli("verify", "--json", "--db", path)
    assert verified.status == int(is_damage)
    assert verified.json["readable"] == left and bool(verified.json["problems"]) == is_damage
    for command in (
        ("list",),
        ("recall", "bees", "-k", "300", "--mode", "lexical"),
        ("status",),
        ("list", "--json"),
        ("export", tmp_path / "whole.jsonl"),
        ("audit",),
        ("copy", path, tmp_path / "copied.db"),
        ("forget", "--where", '{"a": 1}', "--yes"),
    ):
        done = cli(*command, *(() if command[0] == "copy" else ("--db", path)))
        assert done.status == 0 or (is_damage and "lmort-mem verify" in done.err), command
    assert cli("export", tmp_path / "saved.jsonl", "--salvage", "--db", path).status == 0
    assert len((tmp_path / "saved.jsonl").read_text().splitlines()) == left
    assert victim.read_text() == "not ours"


@pytest.mark.parametrize("vector", ["x'00'", "x'ffff'", "'none'", "1e300"])
def test_a_damaged_vector_hides_no_other(tmp_path, sound, vector):
    """Recall by meaning finds every record whose vector can be read."""
    path = tmp_path / "m.db"
    path.write_bytes(sound)
    sql(f"UPDATE vectors SET vector = {vector} WHERE v = 5")(path)
    with Memory(HashEncoder(32), SQLiteStore(path)) as memory:
        assert len(memory.recall("bees", top_k=N, mode="dense")) == N - 1
        assert not memory.store.verify().ok


def test_a_later_versions_database_is_not_called_damaged(tmp_path, monkeypatch, capsys, sound):
    """Salvage, too, says that an upgrade is what is needed, and of which file."""
    cli = Cli(monkeypatch, capsys)
    path = tmp_path / "m.db"
    path.write_bytes(sound)
    sql("PRAGMA user_version = 99")(path)
    for command in (("verify",), ("list",), ("export", tmp_path / "s.jsonl", "--salvage")):
        done = cli(*command, "--db", path)
        assert done.status == 1 and "upgrade lmort-memory" in done.err and str(path) in done.err
