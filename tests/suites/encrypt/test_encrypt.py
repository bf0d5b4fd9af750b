"""Encryption at rest: what needs SQLCipher. Real files, looked at byte by byte."""

import hashlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import zlib

import numpy as np
import pytest

from lmort_memory import Chat, ChatOptions, Memory, Sampling
from lmort_memory.errors import LmortError, PassphraseError, StoreError
from lmort_memory.store import Filter, SQLiteStore, schema
from lmort_memory.store.converting import convert
from lmort_memory.store.encryption import is_encrypted
from lmort_memory.store.restoring import restore_backup
from lmort_memory.store.vectors import refresh
from lmort_memory.testing import HashEncoder, check_store
from lmort_memory.types import Turn
from tests.support.cli import spawn
from tests.support.tiny_chat import write_pair

PASSPHRASE = "correct horse battery staple"
TEXTS = [f"Quibdoville keeps {i} hives beside Lake Ozymand." for i in range(300)]
NEEDLES = ("Quibdoville", "Ozymand")
OPTIONS = ChatOptions(n_ctx=1024, max_tokens=8, sampling=Sampling(temperature=0))


@pytest.fixture
def database(tmp_path):
    """Where the memory is."""
    return tmp_path / "work" / "memory.db"


@pytest.fixture
def filled(database):
    """An encrypted database with vectors, closed."""
    with opened(database) as memory:
        memory.add_many(TEXTS)
    return database


def opened(path, key=PASSPHRASE, graph_from=50):
    """Open a memory whose graph is built early."""
    return Memory(HashEncoder(32), SQLiteStore(path, key=key, graph_from=graph_from))


def traces(folder, vectors=(), tokens=()):
    """Name every file under a folder that holds a text, a vector or a run of tokens."""
    needles = [needle.encode() for needle in NEEDLES]
    for vector in vectors:
        needles += [vector.astype(kind).tobytes()[:24] for kind in ("<f2", "<f4")]
    for start in range(0, len(tokens) - 6, 6):
        run = tokens[start : start + 6]
        needles += [np.array(run, "<i4").tobytes(), ", ".join(map(str, run)).encode()]
    found = []
    for file in filter(lambda one: one.is_file() and not one.is_symlink(), folder.rglob("*")):
        data = file.read_bytes()
        found += [(file.name, needle) for needle in needles if needle in data]
    return found


def test_an_encrypted_store_keeps_the_contract(tmp_path):
    """Every promise of a store holds over an encrypted file."""
    names = iter(range(1000))
    check_store(lambda: SQLiteStore(tmp_path / f"{next(names)}.db", key=PASSPHRASE))


def test_no_file_tells_anything(tmp_path, tmp_path_factory, monkeypatch):
    """While it is written, chatted with, indexed, backed up and after: no text, vector or token."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(refresh, "SAVE_LEAST", 8)
    model, tuner = write_pair(tmp_path_factory.mktemp("pair"))
    path = tmp_path / "memory.db"
    with Memory.open(path, model=model, tuner=tuner, passphrase=PASSPHRASE) as memory:
        memory.store._dense._refresher._graph_from = 10
        records = [memory.add(text) for text in TEXTS[:40]]
        memory.update(records[0].id, "Quibdoville sold its hives.")
        with Chat(memory, session="trip", options=OPTIONS) as chat:
            list(chat.say("Where is Quibdoville, by Lake Ozymand?", reply="By Lake Ozymand."))
            tokens = list(chat._window._sequence.tokens)
            assert len(tokens) > 12 and not chat.save()
        space = memory.encoder.space
        some = memory.store.vectors(space, [one.id for one in records]).values()
        vectors = [row for one in some for row in one.vectors]
        memory.store.build_index()
        assert memory.recall("hives of Quibdoville")
        memory.backup(tmp_path / "copy.db")
        with pytest.raises(StoreError, match="an export is plain text"):
            memory.export(tmp_path / "export.jsonl")
        assert traces(tmp_path, vectors, tokens) == []
        assert path.with_name("memory.db-wal").stat().st_size > 0
        assert memory.forget(ids=[records[1].id]).verified
    assert len(vectors) >= 40
    assert traces(tmp_path, vectors, tokens) == []
    assert {one.name for one in tmp_path.iterdir() if one.is_dir()} == set()
    for name in ("memory.db", "copy.db"):  # not merely hidden: nothing in it can be compressed
        data = (tmp_path / name).read_bytes()
        assert len(zlib.compress(data)) > 0.99 * len(data)


def test_the_scan_finds_what_a_plain_memory_writes(tmp_path, monkeypatch):
    """The scan itself works: the same memory without a passphrase is full of traces."""
    monkeypatch.setattr(refresh, "SAVE_LEAST", 8)
    with opened(tmp_path / "memory.db", key=None) as memory:
        memory.add_many(TEXTS)
        memory.store.build_index()
        ids = [one.id for one in memory.store.records(Filter())]
        one = memory.store.vectors(memory.encoder.space, ids)[ids[5]].vectors[0]
    found = {name for name, _ in traces(tmp_path, [one])}
    assert "memory.db" in found and any(name.endswith((".graph", ".matrix")) for name in found)


def test_the_file_is_sqlciphers(filled):
    """Any SQLCipher tool opens the file with the passphrase and its own defaults."""
    from sqlcipher3 import dbapi2

    connection = dbapi2.connect(str(filled))
    connection.execute(f"PRAGMA key = '{PASSPHRASE}'")
    assert connection.execute("SELECT count(*) FROM records").fetchone() == (len(TEXTS),)
    connection.close()


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("wrong", "the passphrase is wrong"),
        ("", "the passphrase is empty"),
        (None, "it is encrypted — give its passphrase"),
    ],
)
def test_what_does_not_fit_is_one_line(filled, capfd, key, message):
    """A wrong, an empty and a missing passphrase are told apart; the file is not touched."""
    before = filled.read_bytes()
    with pytest.raises(PassphraseError, match=message) as error:
        SQLiteStore(filled, key=key)
    assert "\n" not in str(error.value) and filled.read_bytes() == before
    assert capfd.readouterr() == ("", "")  # SQLCipher's own log is off


def test_a_plain_database_takes_no_passphrase(tmp_path):
    """Nobody believes a plain database encrypted because a passphrase was given."""
    SQLiteStore(tmp_path / "plain.db").close()
    with pytest.raises(PassphraseError, match="it is not encrypted, and a passphrase was given"):
        SQLiteStore(tmp_path / "plain.db", key=PASSPHRASE)


def test_a_key_is_derived_once(filled, monkeypatch):
    """Opening derives; the connections of further threads do not."""
    derived = []
    real = hashlib.pbkdf2_hmac

    def counted(*arguments):
        derived.append(1)
        return real(*arguments)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", counted)
    errors = []

    def work(memory, name):
        try:
            for i in range(10):
                memory.add(f"{name} said {i}", session=name)
                assert memory.recall("hives")
        except LmortError as error:
            errors.append(error)

    with opened(filled) as memory:
        threads = [threading.Thread(target=work, args=(memory, f"t{i}")) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == [] and memory.store.verify().readable == len(TEXTS) + 60
    assert len(derived) == 1


def test_two_that_create_at_once_share_one_file(database):
    """However many make the same new database at once, all end in one, with one salt."""
    stored, errors = [], []
    barrier = threading.Barrier(5)

    def create(number):
        barrier.wait()
        try:
            with SQLiteStore(database, key=PASSPHRASE) as store:
                stored.append(store.add([Turn(f"from {number}")]))
        except LmortError as error:
            errors.append(error)

    threads = [threading.Thread(target=create, args=(i,)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with SQLiteStore(database, key=PASSPHRASE) as store:
        assert store.status().records == 5
    assert {one.name for one in database.parent.iterdir()} <= {"memory.db", "memory.db-queue"}


WRITER = """
import sys
from lmort_memory.store import SQLiteStore
from lmort_memory.types import Turn
with SQLiteStore(sys.argv[1], key=sys.argv[2]) as store:
    for i in range(100_000):
        store.add([Turn(f"Quibdoville wrote {i} " + "bees " * 200)])
        print(i, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_while_writing_loses_nothing(database, seed):
    """After kill -9 all that was acknowledged is there, the file is sound and tells nothing."""
    command = [sys.executable, "-c", WRITER, str(database), PASSPHRASE]
    until = random.Random(seed).randrange(20, 200)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        for line in writer.stdout:
            if int(line) >= until:
                writer.send_signal(signal.SIGKILL)
                break
        told = [int(line) for line in writer.stdout if line.strip().isdigit()]
    assert traces(database.parent) == []
    with SQLiteStore(database, key=PASSPHRASE) as store:
        assert store.status().records >= max([until, *told]) + 1
        assert store.verify().ok


def test_there_and_back(tmp_path):
    """Encrypt, change, decrypt: all records, vectors and words come along; caches do not stay."""
    path = tmp_path / "memory.db"
    with opened(path, key=None) as memory:
        memory.add_many(TEXTS)
        memory.store.build_index()
        before = list(memory.store.dump(Filter(), vectors=True))
        hits = [hit.record.id for hit in memory.recall("17 hives")]
        memory.store.state_path("s").parent.mkdir()
        memory.store.state_path("s").write_bytes(b"Quibdoville")
    assert convert(path, old=None, new="one").records == len(TEXTS)
    assert traces(tmp_path) == [] and is_encrypted(path)
    assert [one.name for one in tmp_path.iterdir()] == ["memory.db"]
    assert path.stat().st_mode & 0o777 == 0o600
    salt = path.read_bytes()[:16]
    convert(path, old="one", new="two")
    assert path.read_bytes()[:16] != salt
    with pytest.raises(PassphraseError, match="wrong"):
        SQLiteStore(path, key="one")
    with opened(path, key="two") as memory:
        assert [hit.record.id for hit in memory.recall("17 hives")] == hits
        assert memory.store.verify().ok
        new = memory.add("one more").id
    convert(path, old="two", new=None)
    with opened(path, key=None) as memory:
        memory.forget(ids=[new])
        after = list(memory.store.dump(Filter(), vectors=True))
        assert [one.record for one in after] == [one.record for one in before]
        assert all(
            np.array_equal(one.vectors[name].vectors, other.vectors[name].vectors)
            for one, other in zip(before, after, strict=True)
            for name in one.vectors
        )


def test_what_a_killed_conversion_has_left_is_destroyed(tmp_path):
    """Opened again, an encrypted memory has no plain copy beside it, and no cache of one."""
    path = tmp_path / "memory.db"
    with opened(path) as memory:
        memory.add_many(TEXTS)
    part, state = tmp_path / ".memory.db.converting", tmp_path / "memory.db.states" / "x.state"
    state.parent.mkdir()
    for left in (part, state):
        left.write_bytes(TEXTS[0].encode())
    names = [tmp_path / f"other-{number}" for number in range(2)]
    for name, left in zip(names, (part, state), strict=True):
        name.hardlink_to(left)
    with opened(path) as memory:
        assert memory.status().store.records == len(TEXTS)
    assert not part.exists() and not state.exists()
    assert not any(any(name.read_bytes()) for name in names)


@pytest.mark.parametrize("version", [1, schema.VERSION])
def test_an_older_schema_is_encrypted_too(tmp_path, version):
    """A database of an earlier release is converted as it is, and migrated when opened."""
    path = tmp_path / "memory.db"
    shutil.copy(f"tests/golden/schema-{version}.db", path)
    with SQLiteStore(shutil.copy(path, tmp_path / "plain.db")) as store:
        expected = list(store.records(Filter()))
    assert convert(path, old=None, new="one").records == len(expected) > 0
    with SQLiteStore(path, key="one") as store:
        assert list(store.records(Filter())) == expected and store.verify().ok


def test_what_the_old_file_held_is_overwritten(tmp_path):
    """Another name of the old file, which outlives it, holds zeros."""
    path, other = tmp_path / "memory.db", tmp_path / "second-name"
    with opened(path, key=None) as memory:
        memory.add_many(TEXTS)
    other.hardlink_to(path)
    convert(path, old=None, new="one")
    assert other.stat().st_size > 0 and not any(other.read_bytes())


def test_a_database_in_use_is_not_converted(filled):
    """Nobody's writes are lost: while another has it open, conversion is refused in one line."""
    with opened(filled) as memory:
        memory.add("something new")
        with pytest.raises(StoreError, match="close what has it open"):
            convert(filled, old=PASSPHRASE, new="other")
    with opened(filled) as memory:
        assert memory.store.status().records == len(TEXTS) + 1


CONVERTER = """
import sys
from pathlib import Path
from lmort_memory.store.converting import convert
print("begin", flush=True)
convert(Path(sys.argv[1]), old=None, new="one")
"""


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_conversion_leaves_one_whole_file(tmp_path, seed):
    """After kill -9 at any instant the database opens, the old way or the new, with everything."""
    path = tmp_path / "memory.db"
    with SQLiteStore(path) as store:
        store.add([Turn(f"Quibdoville {i} " + "bees " * 300) for i in range(1500)])
    command = [sys.executable, "-c", CONVERTER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        child.stdout.readline()
        try:
            child.wait(random.Random(seed).uniform(0.05, 0.9))
        except subprocess.TimeoutExpired:
            child.kill()
    key = "one" if is_encrypted(path) else None
    with SQLiteStore(path, key=key) as store:
        assert store.verify().ok and store.status().records == 1500
    convert(path, old=key, new="two")
    assert [one.name for one in tmp_path.iterdir()] == ["memory.db"]


def test_backups_stay_encrypted_and_come_back(filled, tmp_path):
    """A backup needs the passphrase, is looked at before it replaces anything, and is whole."""
    backup, other = tmp_path / "backup.db", tmp_path / "other.db"
    with opened(filled) as memory:
        memory.backup(backup)
    assert is_encrypted(backup)
    for wrong in (None, "wrong"):
        with pytest.raises(PassphraseError):
            restore_backup(backup, other, passphrase=wrong)
    assert not other.exists()
    restore_backup(backup, other, passphrase=PASSPHRASE)
    with opened(other) as memory:
        assert memory.store.status().records == len(TEXTS)


def _flip(file, size):
    file.seek(size // 2)
    file.write(b"garbled!")


def _cut(file, size):
    file.truncate(size * 3 // 4)


def _flip_at_the_end(file, size):
    file.seek(size - 9)
    file.write(b"x")


def _cut_within_a_page(file, size):
    file.truncate(size - 1)


@pytest.mark.parametrize(
    ("damage", "least"),
    [(_flip, 0.9), (_cut, 0.25), (_cut_within_a_page, 0.9), (_flip_at_the_end, 0.9)],
)
def test_damage_is_survived(tmp_path, damage, least):
    """Of a damaged encrypted database `export --salvage --plain` saves what can be read."""
    path = tmp_path / "memory.db"
    with SQLiteStore(path, key=PASSPHRASE) as store:
        store.add([Turn(f"{text} " + "abc " * 60) for text in TEXTS])
        store.compact()  # the schema ends on the last page then
    (tmp_path / "pw").write_text(PASSPHRASE)
    size = path.stat().st_size
    with path.open("rb+") as file:
        damage(file, size)
    named = ("--db", path, "--passphrase-file", tmp_path / "pw")
    assert spawn("verify", *named).status == 1
    out = spawn("export", tmp_path / "saved.jsonl", "--salvage", "--plain", *named)
    assert out.status == 0, out.err
    (tmp_path / "pw").write_text("another")
    wrong = spawn("export", tmp_path / "w.jsonl", "--salvage", "--plain", *named)
    assert wrong.status == 1 and f"cannot open {path}: the passphrase is wrong" in wrong.err
    assert len((tmp_path / "saved.jsonl").read_text().splitlines()) > least * len(TEXTS)


def test_the_commands(tmp_path):
    """From an empty folder to a decrypted database, with files for the passphrases."""
    old, new = tmp_path / "old", tmp_path / "new"
    for file, text in ((old, f"{PASSPHRASE}\n"), (new, "other words\r\nsecond line")):
        file.write_text(text)
        file.chmod(0o600)
    path = tmp_path / "memory.db"
    db, at = ("--db", path), ("--db", path, "--passphrase-file")
    assert spawn("encrypt", *db, "--new-passphrase-file", old).status == 0
    assert spawn("import", _note(tmp_path), "--no-vectors", *at, old).status == 0
    (tmp_path / "note.md").unlink()
    assert traces(tmp_path) == []
    missing = spawn("list", *db)
    assert missing.status == 1 and re.fullmatch(r"lmort-mem: cannot open .*\n", missing.err)
    assert "the passphrase is wrong" in spawn("list", *at, new).err
    assert spawn("passphrase", *at, old, "--new-passphrase-file", new).status == 0
    assert "Quibdoville" in spawn("list", *at, new).out
    assert "Quibdoville" in spawn("list", *db, environment={"LMORT_PASSPHRASE_FILE": str(new)}).out
    refused = spawn("export", "-", *at, new)
    assert refused.status == 1 and "--plain" in refused.err and refused.out == ""
    plain = spawn("export", "-", "--plain", *at, new)
    assert "Quibdoville" in plain.out and "not encrypted" in plain.err
    shutil.copy(path, tmp_path / "copy.db")
    done = spawn("decrypt", *at, new)
    assert done.status == 0 and "SSD" in done.err
    assert "Quibdoville" in spawn("list", *db).out
    assert "it is not encrypted" in spawn("list", *at, new).err


def _note(folder):
    path = folder / "note.md"
    path.write_text(TEXTS[0])
    return path
