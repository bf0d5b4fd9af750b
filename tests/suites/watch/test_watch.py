"""Folders that are watched: what needs the extra `watch`. Real events, real files."""

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from lmort_memory.errors import ImportFileError
from lmort_memory.importing import Heartbeat, Watcher, pulses
from lmort_memory.importing import watching as module
from lmort_memory.memory import Memory
from tests.support.cli import Cli

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def _awake(monkeypatch):
    """Let a watcher look around more often than it would."""
    monkeypatch.setattr(module, "_QUIET_MS", 100)
    monkeypatch.setattr(module, "_WAKE_MS", 400)
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.2)


@contextmanager
def watching(memory, folder, **options):
    """Watch in another thread, as a server does; give what is reported."""
    stop, reports = threading.Event(), []
    watcher = Watcher(memory, [folder], report=reports.append, **options)
    thread = threading.Thread(target=watcher.run, args=(stop,))
    thread.start()
    try:
        yield reports
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def comes_true(condition):
    """Wait until something holds."""
    until = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def folder(tmp_path):
    """Return a folder with one note."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("alpha")
    return folder


@pytest.fixture
def memory(tmp_path):
    """Return a memory without a model."""
    with Memory.open(tmp_path / "memory.db", with_model=False) as memory:
        yield memory


def notes(memory):
    """Return the last line of every record, and where it is from."""
    return {
        record.text.rpartition("\n")[2]: Path(record.source.uri).name for record in memory.records()
    }


def test_new_changed_moved_and_deleted_notes(memory, folder):
    """The memory follows the folder, and only what has changed is read."""
    with watching(memory, folder) as reports:
        assert comes_true(lambda: notes(memory) == {"alpha": "a.md"})
        (folder / "sub").mkdir()
        (folder / "sub" / "b.md").write_text("beta")
        (folder / ".hidden.md").write_text("no")
        assert comes_true(lambda: notes(memory) == {"alpha": "a.md", "beta": "b.md"})
        (folder / "a.md").write_text("gamma")
        assert comes_true(lambda: notes(memory) == {"gamma": "a.md", "beta": "b.md"})
        (folder / "sub").rename(folder / "moved")
        assert comes_true(
            lambda: (
                {r.source.uri for r in memory.records()}
                == {str(folder / "a.md"), str(folder / "moved" / "b.md")}
            )
        )
        (folder / "a.md").unlink()
        assert comes_true(lambda: notes(memory) == {"beta": "b.md"})
        assert sum(report.changed.files for report in reports if report.changed) == 4
    with watching(memory, folder) as reports:
        time.sleep(1.0)
        assert reports == []


def test_what_changed_while_nobody_watched(memory, folder):
    """A new watcher finds what is new and what is gone."""
    with watching(memory, folder):
        assert comes_true(lambda: notes(memory) == {"alpha": "a.md"})
    (folder / "b.md").write_text("beta")
    (folder / "a.md").unlink()
    with watching(memory, folder):
        assert comes_true(lambda: notes(memory) == {"beta": "b.md"})


def test_a_folder_that_vanishes_is_no_deletion(memory, folder, tmp_path):
    """A disk that goes takes nothing along, and is watched again when it is back."""
    with watching(memory, folder) as reports:
        assert comes_true(lambda: notes(memory) == {"alpha": "a.md"})
        folder.rename(tmp_path / "away")
        assert comes_true(lambda: any(report.error for report in reports))
        assert notes(memory) == {"alpha": "a.md"}
        folder.mkdir()  # the empty place where a disk was mounted
        time.sleep(1.5)
        assert notes(memory) == {"alpha": "a.md"}
        folder.rmdir()
        (tmp_path / "away").rename(folder)
        (folder / "b.md").write_text("beta")
        assert comes_true(lambda: notes(memory) == {"alpha": "a.md", "beta": "b.md"})


def test_a_subfolder_that_cannot_be_read_is_no_deletion(memory, folder):
    """Notes below a folder without permission stay, and so they do at the next start."""
    if os.geteuid() == 0:
        pytest.skip("root reads every folder")
    sub = folder / "sub"
    sub.mkdir()
    (sub / "b.md").write_text("beta")
    with watching(memory, folder):
        assert comes_true(lambda: len(notes(memory)) == 2)
    sub.chmod(0)
    try:
        with watching(memory, folder):
            time.sleep(1.0)
            assert len(notes(memory)) == 2
    finally:
        sub.chmod(0o700)


def test_many_files_gone_at_once_are_doubted(memory, folder):
    """Half of a folder's files going at once is reported, and nothing is forgotten."""
    for number in range(30):
        (folder / f"{number}.md").write_text(f"note {number}")
    with watching(memory, folder) as reports:
        assert comes_true(lambda: len(notes(memory)) == 31)
        for number in range(30):
            (folder / f"{number}.md").unlink()
        assert comes_true(lambda: any("--prune" in (r.error or "") for r in reports))
        assert len(notes(memory)) > 1


def test_an_error_is_followed_by_a_new_beginning(memory, folder, monkeypatch):
    """A watcher that fails reports it and goes on with what it has missed."""
    broken = threading.Event()
    real = module.scan_changed

    def scan_changed(*args, **options):
        if broken.is_set():
            broken.clear()
            raise OSError(5, "Input/output error")
        return real(*args, **options)

    monkeypatch.setattr(module, "scan_changed", scan_changed)
    with watching(memory, folder) as reports:
        assert comes_true(lambda: notes(memory) == {"alpha": "a.md"})
        broken.set()
        (folder / "b.md").write_text("beta")
        assert comes_true(lambda: notes(memory) == {"alpha": "a.md", "beta": "b.md"})
        assert any("Input/output error" in (report.error or "") for report in reports)


def test_the_heartbeat_tells_who_watches(memory, folder, tmp_path):
    """While a watcher lives, its sign of life stands beside the database; then it is gone."""
    database = tmp_path / "memory.db"
    with watching(memory, folder, heartbeat=Heartbeat(database)):
        assert comes_true(lambda: pulses(database) and pulses(database)[0].changed_at)
        [pulse] = pulses(database)
        assert (pulse.pid, pulse.folders, pulse.alive) == (os.getpid(), (str(folder),), True)
        [path] = tmp_path.glob("memory.db.watch-*")
        assert path.stat().st_mode & 0o777 == 0o600
        os.utime(path, (0, 0))
        assert not pulses(database)[0].alive
    assert pulses(database) == []


def test_what_is_no_folder_is_an_error_at_once(memory, folder):
    """A mistyped folder is refused before anything is watched."""
    with pytest.raises(ImportFileError, match="not a folder"):
        Watcher(memory, [folder / "nothing"])


@pytest.mark.parametrize(
    "facts",
    [
        "[" * 60_000,
        '{"pid": 1e999}',
        '{"pid": 1, "folders": [1, null], "scope": 2, "since": "2025-01-01", "changed_at":'
        ' "2025-01-01", "error": ["x"]}',
    ],
    ids=["deep", "beyond numbers", "other types"],
)
def test_a_file_of_rubbish_ends_no_status(tmp_path, monkeypatch, capsys, facts):
    """A heartbeat that another program wrote is read as texts and times, or passed over."""
    (tmp_path / "m.db.watch-1").write_text(facts)
    for pulse in pulses(tmp_path / "m.db"):
        assert pulse.folders == ("1", "None") and pulse.since.tzinfo is not None
    done = Cli(monkeypatch, capsys)("status", "--db", tmp_path / "m.db")
    assert done.status == 0 and "Traceback" not in done.err
