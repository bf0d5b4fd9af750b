"""Attacks on a memory's promises: each name of a file, each end of a process, each stored text."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata

import pytest

from lmort_memory import Memory, StoreError, Turn
from lmort_memory.cli import main
from lmort_memory.cli.clients import edit
from lmort_memory.cli.terminal.hits import snippet
from lmort_memory.cli.terminal.output import one_line, visible
from lmort_memory.memory.transfer import from_line
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.converting import convert
from lmort_memory.store.deleting.forget import state_path
from lmort_memory.store.restoring import restore_backup
from lmort_memory.store.temporary import abandoned_folders, private_folder
from tests.support.cli import Cli, spawn

# Everything that a terminal obeys: ESC, C1 controls, OSC 8, marks of direction, odd line ends.
HOSTILE = "\x1b[2J\x9b31m\x9d0;title\x07\u202eabc\u2066\x1b]8;;http://e/\x1b\\l\r\x08\x85\u2028\x7f"


def memory_at(path):
    """Open a memory without a model."""
    return Memory(None, SQLiteStore(path))


def texts_of(path):
    """Return what a database holds."""
    with memory_at(path) as memory:
        return [record.text for record in memory.records()]


def obeyed(text):
    """Return the characters of a text that a terminal obeys."""
    return {c for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Zl")}


@pytest.mark.parametrize(
    "name", ["file:x.db", "file:x.db?mode=memory", "file::memory:", ":memory:x"]
)
def test_a_name_that_looks_like_a_uri_is_a_file(name, tmp_path, monkeypatch):
    """What is added lies in the file of just that name, private, and is there the next time."""
    monkeypatch.chdir(tmp_path)
    with memory_at(name) as memory:
        memory.add("Ada keeps bees.")
    assert texts_of(tmp_path / name) == ["Ada keeps bees."]
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert not (tmp_path / name).stat().st_mode & 0o077


def test_a_change_of_the_working_folder_changes_nothing(tmp_path, monkeypatch):
    """A memory opened by a relative path stays the same one, in new threads too."""
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    found = []
    with memory_at("m.db") as memory:
        memory.add("Ada keeps bees.")
        monkeypatch.chdir(tmp_path / "sub")
        memory.add("Bob sails.")
        thread = threading.Thread(target=lambda: found.extend(memory.records()))
        thread.start()
        thread.join()
    assert len(found) == 2 and not list((tmp_path / "sub").iterdir())


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_link_that_is_turned_elsewhere_is_noticed(what, tmp_path):
    """Neither a write nor a read, in whatever thread, mixes two databases."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with memory_at(tmp_path / name / "m.db") as memory:
            memory.add(name)
    link = tmp_path / "link"
    target = "{}/m.db" if what == "file" else "{}"
    link.symlink_to(target.format("a"))
    with memory_at(link if what == "file" else link / "m.db") as memory:
        memory.add("by the link")
        link.unlink()
        link.symlink_to(target.format("b"))
        failed = []

        def attempt(use):
            try:
                use()
            except StoreError as error:
                failed.append(str(error))

        for use in (lambda: memory.add("lost?"), lambda: list(memory.records())):
            attempt(use)
            thread = threading.Thread(target=attempt, args=(use,))
            thread.start()
            thread.join()
    assert len(failed) == 4 and all("replaced while open" in one for one in failed)
    assert texts_of(tmp_path / "b" / "m.db") == ["b"]


def test_a_file_emptied_while_open_takes_no_more(tmp_path):
    """Nothing is acknowledged that the emptied file could not keep."""
    with memory_at(tmp_path / "m.db") as memory:
        memory.add("Ada keeps bees.")
        os.truncate(tmp_path / "m.db", 0)
        with pytest.raises(StoreError, match="emptied the file while it was open"):
            memory.add("Bob sails.")


def test_a_second_name_of_the_file_is_refused(tmp_path):
    """Hard links have a log each, so two names would damage the database; reading is allowed."""
    with memory_at(tmp_path / "a.db") as memory:
        memory.add("Ada keeps bees.")
    os.link(tmp_path / "a.db", tmp_path / "b.db")
    with pytest.raises(StoreError, match="hard link"):
        memory_at(tmp_path / "b.db")
    with Memory(None, SQLiteStore(tmp_path / "b.db", read_only=True)) as memory:
        assert len(list(memory.records())) == 1


def test_states_are_forgotten_by_whatever_name(tmp_path):
    """A chat state saved through a link goes with its session, and so does a killed save's rest."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link.db").symlink_to("real/m.db")
    with memory_at(tmp_path / "link.db") as memory:
        memory.add(Turn(text="my PIN is 4711", session="s"))
        state = memory.store.state_path("s")
        state.parent.mkdir()
        for file in (state, state.with_name(f".{state.name}.k1ll3d.part")):
            file.write_bytes(b"tokens")
    assert state == state_path(tmp_path / "real" / "m.db", "s")
    with memory_at(tmp_path / "real" / "m.db") as memory:
        assert memory.forget(session="s").states == 1
    assert not list(state.parent.iterdir())


def test_restore_and_encryption_follow_a_link(tmp_path):
    """The linked file itself is replaced, so no plain copy and no old log stays where it lies."""
    pytest.importorskip("sqlcipher3")
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "m.db", tmp_path / "link.db"
    link.symlink_to("real/m.db")
    with memory_at(link) as memory:
        memory.add("Ada keeps bees.")
        memory.backup(tmp_path / "b.db")
    assert restore_backup(tmp_path / "b.db", link).parent == real.parent
    convert(link, old=None, new="correct horse")
    assert link.is_symlink() and b"bees" not in real.read_bytes()


def test_a_killed_export_leaves_no_file_under_its_name(tmp_path):
    """A short file is never under the final name, so no import takes it for the whole."""
    with memory_at(tmp_path / "m.db") as memory:
        memory.add([f"record {i} {'x' * 400}" for i in range(4000)])
    program = [sys.executable, "-m", "lmort_memory.cli", "export", tmp_path / "e.jsonl"]
    child = subprocess.Popen([*program, "--db", tmp_path / "m.db"], stderr=subprocess.DEVNULL)
    while not (parts := list(tmp_path.glob(".e.jsonl.*.part"))) or not parts[0].stat().st_size:
        assert child.poll() is None
        time.sleep(0.001)
    child.kill()
    child.wait()
    assert not (tmp_path / "e.jsonl").exists() and not parts[0].stat().st_mode & 0o077


def test_nothing_that_is_there_is_replaced(tmp_path):
    """Neither a file, nor a link to nowhere, nor a file with a name like that of a part."""
    (tmp_path / "there").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "b.db.part").write_text("mine")
    with memory_at(tmp_path / "m.db") as memory:
        memory.add("Ada keeps bees.")
        for name in ("there", "link"):
            for write in (memory.backup, memory.export):
                with pytest.raises(StoreError, match=r"(?i)exists"):
                    write(tmp_path / name)
        memory.backup(tmp_path / "b.db")
    assert (tmp_path / "there").read_text() == (tmp_path / "b.db.part").read_text() == "mine"
    assert (tmp_path / "link").is_symlink() and not (tmp_path / "nowhere").exists()


def test_rotation_touches_only_its_own_backups(tmp_path, monkeypatch, capsys):
    """Backups of m-work.db beside those of m.db stay, and neither removes what it has just made."""
    cli = Cli(monkeypatch, capsys)
    folder = tmp_path / "backups"
    folder.mkdir()
    names = ("m", "m-work", "m[1]", "m-20")
    for name in names:
        with memory_at(tmp_path / f"{name}.db") as memory:
            memory.add(name)
    for name in (*names, *names):
        done = cli("backup", folder, "--keep", "2", "--db", tmp_path / f"{name}.db")
        assert done.status == 0
    kept = [re.sub(r"-[0-9a-f]{6}-\d{8}T\d{12}\.db$", "", one.name) for one in folder.iterdir()]
    assert sorted(kept) == sorted((*names, *names))


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
@pytest.mark.parametrize("command", ["export", "backup", "restore", "add", "import"])
def test_a_full_disk_leaves_everything_as_it_was(command, tmp_path):
    """One line, exit status 1, no part left behind, and every record still there."""
    path, backup = tmp_path / "m.db", tmp_path / "b.db"
    with memory_at(path) as memory:
        memory.add([f"record {i} {'x' * 4000}" for i in range(300)])
        memory.backup(backup)
        memory.export(tmp_path / "e.jsonl")
    before = sorted(one.name for one in tmp_path.iterdir())
    arguments = {
        "export": [tmp_path / "new.jsonl"],
        "backup": [tmp_path / "new.db"],
        "restore": [backup, "--yes"],
        "add": ["-", "--model", ""],
        "import": [tmp_path / "e.jsonl", "--no-vectors"],
    }[command]
    database = tmp_path / "other" / "n.db" if command == "import" else path

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, 1 << 19))

    done = subprocess.run(
        [sys.executable, "-m", "lmort_memory.cli", command, *arguments, "--db", database],
        input="y" * 3_000_000,
        capture_output=True,
        text=True,
        preexec_fn=small,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("lmort-mem: ") == 1
    shutil.rmtree(tmp_path / "other", ignore_errors=True)
    assert sorted(one.name for one in tmp_path.iterdir() if "m.db-" not in one.name) == [
        name for name in before if "m.db-" not in name
    ]
    assert len(texts_of(path)) == 300


def test_no_stored_character_reaches_a_terminal(tmp_path, monkeypatch, capsys):
    """Texts, roles, sessions, keys, file names and quoted arguments, in every form of output."""
    cli = Cli(monkeypatch, capsys)
    db, folder = tmp_path / "m.db", tmp_path / "notes"
    folder.mkdir()
    (folder / f"note{HOSTILE.replace('/', '')}.md").write_text(f"# bees {HOSTILE}")
    (folder / f"lines{HOSTILE.replace('/', '')}.jsonl").write_text('{"text": 3}\n')
    turn = Turn(text=f"bees {HOSTILE}", role=f"r{HOSTILE}", session=f"s{HOSTILE}",
                metadata={f"k{HOSTILE}": HOSTILE, "title": HOSTILE})  # fmt: skip
    with memory_at(db) as memory:
        old, new = memory.add(turn), memory.add(f"bees, newer {HOSTILE}")
        memory.update(new.id, f"bees, edited {HOSTILE}")
        memory.supersede(old, new)
    everything = ("--db", db)
    for command in (
        ("list", "--scope", "*"),
        ("list", "--scope", "*", "--json"),
        ("show", old.id),
        ("show", new.id, "--json"),
        ("recall", "bees", "--superseded", "--full", "--mode", "lexical"),
        ("recall", "bees", "--superseded", "--json", "--mode", "lexical"),
        ("import", folder, "--no-vectors", "-v"),
        ("import", folder, "--no-vectors", "--json"),
        ("export", tmp_path / "gone" / HOSTILE),
        ("show", HOSTILE),
        ("add", "a", HOSTILE),
        ("add", "a", f"--{HOSTILE}"),
        ("recall", "x", "--where", f'["{HOSTILE}'),
        ("recall", "x", "--mode", HOSTILE),
        (HOSTILE,),
    ):
        done = cli(*command, *everything)
        assert not obeyed(done.out + done.err), command
        assert "Traceback" not in done.err
    with memory_at(db) as memory:
        memory.export(tmp_path / "e.jsonl")
    lines = (tmp_path / "e.jsonl").read_text("utf-8").splitlines()
    assert not obeyed("".join(lines)) and from_line(lines[0]).record.text == f"bees {HOSTILE}"


def test_a_name_with_a_line_end_writes_no_line_of_its_own(tmp_path, monkeypatch, capsys):
    """Whatever a file is called, what is said about it is one line; a text keeps its lines."""
    cli = Cli(monkeypatch, capsys)
    db, folder = tmp_path / "m.db", tmp_path / "notes\nFORGED"
    folder.mkdir()
    (folder / "a\nFORGED.md").write_text("bees\nhoney")
    (folder / "b\nFORGED.odd").write_text("odd")
    (folder / "c\nFORGED.jsonl").write_text('{"text": 3}\n')
    os.mkfifo(folder / "d\nFORGED.md")
    with memory_at(db) as memory:
        turn = Turn(text="My password is: Xk9#mQ2$vL", role="r\nFORGED", session="s\nFORGED")
        record = memory.add(turn)
    for command in (
        ("import", folder, "--no-vectors", "-v"),
        ("import", folder, "--no-vectors", "--dry-run"),
        ("list",),
        ("show", record.id),
        ("audit",),
        ("recall", "bees", "--mode", "lexical"),
        ("export", folder / "e.jsonl"),
        ("backup", folder / "b.db"),
        ("status", "--db", folder / "a\nFORGED.db"),
    ):
        done = cli(*command, *(() if "--db" in command else ("--db", db)))
        assert "FORGED" not in [line.strip()[:6] for line in (done.out + done.err).splitlines()]
    with memory_at(db) as memory:
        note = next(record for record in memory.records() if record.role == "note")
    assert "\nbees\nhoney\n" in cli("show", note.id, "--db", db).out


def test_a_byte_that_is_no_text_is_seen():
    """A name that is no UTF-8 is not shown as a shorter one."""
    assert visible(os.fsdecode(b"a\xff.db")) == "a\ufffd.db"


def test_marks_do_not_tower():
    """A thousand combining marks on one letter do not cover the lines above it."""
    for mark in "\u0301\u0e47\u0e34\u064e\u05b4\u20dd\U0001d167":  # Latin, Thai, Arabic, Hebrew, …
        assert len(visible("a" + mark * 1000)) < 10
        assert len(one_line("a" + mark * 1000, 10_000)) < 10
    assert visible("Vi\u0323\u0302t n\u0302\u0303") == "Vi\u0323\u0302t n\u0302\u0303"


def test_a_snippet_of_nothing_but_hits_is_quick():
    """A text of 100,000 words that are all asked for: counted once, not each with each."""
    assert len(snippet("bees honey " * 100_000, "honey bees", 240)) <= 241


def test_conditions_of_any_size_are_answered_or_refused(tmp_path):
    """Ten thousand alternatives, numbers beyond a double: an answer or ValueError."""
    with memory_at(tmp_path / "m.db") as memory:
        memory.add("bees", metadata={"a": 7, "b": "seven", "c": True})
        many = [*range(9000), "x", None]
        for where, count in (
            ({"a": {"$in": list(range(40_000))}}, 1),
            ({"a": {"$nin": many}}, 0),
            ({"b": {"$in": ["seven", "\ud83d", 1]}}, 1),
            ({"a": {"$in": [True, "7"]}}, 0),
            ({"c": {"$in": [1, True]}}, 1),
            ({"$or": [{"a": number} for number in range(3000)]}, 1),
            ({"$and": [{"a": {"$ne": number}} for number in range(8, 3000)]}, 1),
        ):
            assert len(list(memory.store.records(Filter(where=where)))) == count
        for where in (
            {"a": 10**400},
            {"a": {"$gt": 10**400}},
            {"a": {"$in": [float("nan")]}},
            {"$or": [{"a": number} for number in range(30_000)]},
        ):
            with pytest.raises(ValueError, match="found"):
                list(memory.store.records(Filter(where=where)))
        with pytest.raises(ValueError, match="store it as a string"):
            memory.add("huge", metadata={"a": 10**400})


def test_input_without_end_is_refused(monkeypatch, capsys):
    """A pipe that never ends, and JSON a hundred thousand levels deep, are one line each."""
    done = spawn("add", "-", "--model", "", stdin="x" * (17 << 20))
    assert done.status == 2 and "import" in done.err
    deep = Cli(monkeypatch, capsys)("recall", "x", "--where", "[" * 100_000)
    assert deep.status == 2 and len(deep.err) < 1000


def test_a_forget_names_the_copies_that_restore_has_left(tmp_path, monkeypatch, capsys):
    """A database that was set aside still holds the text, and the receipt does not hide it."""
    cli = Cli(monkeypatch, capsys)
    path, backup = tmp_path / "m.db", tmp_path / "b.db"
    with memory_at(path) as memory:
        memory.add(Turn(text="my PIN is 4711", session="s"))
        memory.backup(backup)
    aside = restore_backup(backup, path)
    done = cli("forget", "--session", "s", "--yes", "--db", path)
    assert done.status == 0 and str(aside) in done.err
    assert b"4711" in aside.read_bytes() and b"4711" not in path.read_bytes()


def test_a_forget_finds_what_killed_commands_have_left(tmp_path, monkeypatch, capsys):
    """The unfinished copy of a backup or a restore goes, or is named while it may be in use."""
    cli = Cli(monkeypatch, capsys)
    path = tmp_path / "m.db"
    with memory_at(path) as memory:
        memory.add([Turn(text=f"my PIN is {n}", session=str(n)) for n in (4711, 4712)])
    old, new = tmp_path / ".m.db.0a1b2c3d.part", tmp_path / ".m.db.11111111.part"
    for part in (old, new):
        part.write_bytes(b"my PIN is 4711")
    os.utime(old, (1, 1))
    done = cli("forget", "--session", "4711", "--yes", "--db", path)
    assert not old.exists() and str(new) in done.err
    new.unlink()
    assert "delete it" not in cli("forget", "--session", "4712", "--yes", "--db", path).err


def test_a_forget_clears_what_a_kill_has_left_in_the_temporary_folder(tmp_path, monkeypatch):
    """A copy of a killed process goes; one that a process still uses stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = tmp_path / "lmort-copy-killed"

    def leave():
        killed.mkdir()
        for name in ("copy.db", "lock"):
            (killed / name).write_text("my PIN is 4711")

    leave()
    assert abandoned_folders() == [killed]
    os.utime(killed, (0, 0))
    with memory_at(tmp_path / "m.db") as memory, private_folder() as used:
        assert not killed.exists() and used.stat().st_mode & 0o777 == 0o700
        leave()
        os.utime(killed, (0, 0))
        os.utime(used, (0, 0))
        memory.add(Turn(text="my PIN is 4711", session="s"))
        memory.forget(session="s")
        assert used.exists() and not killed.exists()
    assert not used.exists()


def test_what_the_program_writes_is_for_this_user_alone(tmp_path, monkeypatch):
    """Folders on the way, and whatever a library writes, under a mask that allows everything."""
    before = os.umask(0)
    try:
        edit.write(tmp_path / "far" / "off" / "settings.json", "{}")
        monkeypatch.setattr(sys, "argv", ["lmort-mem", "--version"])
        with pytest.raises(SystemExit):
            main()
        (tmp_path / "log").write_text("of a library")
    finally:
        os.umask(before)
    assert not [file for file in tmp_path.rglob("*") if file.stat().st_mode & 0o077]


def test_a_backup_clears_away_what_a_killed_one_has_left(tmp_path, monkeypatch, capsys):
    """A part of a backup is a copy of everything: the next backup beside it removes it."""
    cli = Cli(monkeypatch, capsys)
    path, folder = tmp_path / "m.db", tmp_path / "backups"
    folder.mkdir()
    with memory_at(path) as memory:
        memory.add("bees")
        memory.backup(folder / "one.db")
    cli("backup", folder, "--keep", "2", "--db", path)
    made = next(one for one in folder.iterdir() if one.name != "one.db")
    named, rotated = folder / ".two.db.0a1b2c3d.part", folder / f".{made.name}.0a1b2c3d.part-wal"
    for part in (named, rotated):
        part.write_bytes(b"bees")
        os.utime(part, (1, 1))
    cli("backup", folder, "--keep", "2", "--db", path)
    cli("backup", folder / "two.db", "--db", path)
    assert not named.exists() and not rotated.exists()


def test_a_kill_between_two_names_is_noticed(tmp_path):
    """A backup that was killed just before it lost its first name is opened like any other."""
    path, backup = tmp_path / "m.db", tmp_path / "b.db"
    with memory_at(path) as memory:
        memory.add("bees")
        memory.backup(backup)
    part = tmp_path / ".b.db.0a1b2c3d.part"
    part.hardlink_to(backup)
    with memory_at(backup) as memory:
        memory.add("ants")
    assert not part.exists()
