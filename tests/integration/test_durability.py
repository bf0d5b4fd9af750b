"""Real processes: killed, in each other's way, out of room. SQLite is the truth throughout."""

import json
import random
import subprocess
import sys
import textwrap

import pytest

from lmort_memory.errors import StoreError
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.types import Turn
from tests.support import kills

WRITER = """
import sys, time
from lmort_memory.store import SQLiteStore
from lmort_memory.types import Turn
name, seconds = sys.argv[2], float(sys.argv[3])
written = 0
with SQLiteStore(sys.argv[1]) as store:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        store.add([Turn(f"{name} wrote {written}", session=name)])
        written += 1
print(written)
"""
FULL = """
import json, resource, signal, sys
from pathlib import Path
from lmort_memory.errors import StoreError
from lmort_memory.store import SQLiteStore
from lmort_memory.types import Turn
path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
stored, message = [], ""
with SQLiteStore(path) as store:
    size = max(file.stat().st_size for file in path.parent.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100_000, size + 100_000))
    try:
        for i in range(10_000):
            stored.append(store.add([Turn(f"turn {i} " + "x" * 5000)])[0].record.id)
    except StoreError as error:
        message = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100_000, size + 100_000))
print(json.dumps([stored, message]))
"""
READ_ONLY = """
import os, sys
import numpy, sqlite3
from lmort_memory.errors import StoreError
from lmort_memory.store import SQLiteStore
from lmort_memory.types import Turn
if os.geteuid() == 0:  # root may write anywhere; nobody may not
    os.setgid(65534), os.setuid(65534)
try:
    with SQLiteStore(sys.argv[1]) as store:
        store.add([Turn("never")])
except StoreError as error:
    print(error)
"""


def _run(script, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _output(script, *arguments):
    with _run(script, *arguments) as process:
        output = process.communicate()[0]
        assert process.returncode == 0
    return output


@pytest.mark.parametrize("operation", ["create", *kills.WORK])
def test_a_kill_loses_nothing(operation, tmp_path):
    """Killed at random instants, twice in a row, a database keeps all that was acknowledged."""
    chance = random.Random(f"{operation} in make test")
    for attempt in range(2):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        for _ in range(2):
            lines = kills.kill_once(operation, folder / "memory.db", chance)
            kills.check(operation, folder / "memory.db", lines)


def test_eight_writers_and_a_reader(tmp_path):
    """Eight processes write at once: no error, no lost write, and readers see what is committed."""
    path = tmp_path / "memory.db"
    with SQLiteStore(path) as store:
        processes = [_run(WRITER, path, f"writer{i}", 2.0) for i in range(8)]
        counts = []
        while any(process.poll() is None for process in processes):
            counts.append(len(store.lexical("wrote", Filter(), limit=10**6)))
        written = []
        for process in processes:
            with process:
                written.append(int(process.communicate()[0]))
                assert process.returncode == 0
        assert min(written) > 0 and counts == sorted(counts)
        assert store.status().records == sum(written)
        for i, number in enumerate(written):
            texts = [record.text for record in store.records(Filter(session=f"writer{i}"))]
            assert sorted(texts) == sorted(f"writer{i} wrote {j}" for j in range(number))
        assert store.verify().ok


def test_a_full_disk_keeps_the_old(tmp_path):
    """With no room left, add says so, and everything stored before is intact and readable."""
    path = tmp_path / "memory.db"
    with SQLiteStore(path) as store:
        before = store.add([Turn(f"before {i}") for i in range(50)])
    stored, message = json.loads(_output(FULL, path))
    assert "cannot" in message and str(path) in message and "\n" not in message
    with SQLiteStore(path) as store:
        ids = {record.id for record in store.records(Filter())}
        assert ids == {one.record.id for one in before} | set(stored)
        assert store.verify().ok and store.add([Turn("room again")])[0].new


def test_a_read_only_database_is_a_clear_error(tmp_path_factory):
    """Where nothing may be written, opening or adding says so and changes nothing."""
    folder = tmp_path_factory.mktemp("shared")
    path = folder / "memory.db"
    with SQLiteStore(path) as store:
        store.add([Turn("old")])
    before = path.read_bytes()
    modes = {parent: parent.stat().st_mode for parent in [*folder.parents][:3]}
    try:
        for parent in modes:
            parent.chmod(0o755)
        path.chmod(0o444)
        folder.chmod(0o555)
        message = _output(READ_ONLY, path)
    finally:
        folder.chmod(0o700)
        path.chmod(0o600)
        for parent, mode in modes.items():
            parent.chmod(mode)
    assert message.startswith("cannot ") and "writable" in message
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    """A database below something that is not a folder gives one line and leaves nothing."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="check that the folder exists"):
        SQLiteStore(tmp_path / "file" / "memory.db")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
