"""Our own export keeps everything, and is there whole or not at all."""

import os
import signal
import subprocess
import sys
import time

from lmort_memory import Memory, Turn
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.values import LedgerEntry


def filled(path):
    """A memory with versions, a supersession and ledger entries, in two scopes."""
    memory = Memory(None, SQLiteStore(path))
    old = memory.add("Ada keeps bees", session="s", metadata={"n": 1})
    memory.update(old.id, "Ada keeps bees in Bergen", metadata={"n": 2})
    memory.update(old.id, "Ada keeps bees in Oslo", metadata={"n": 3})
    new = memory.add(Turn("Ada sold them", session="s"))
    memory.supersede(old, new)
    other = memory.add("elsewhere", scope="other")
    memory.store.add_ledger(LedgerEntry("r1", "s", (old.id,), {"why": ["asked", None]}))
    memory.store.add_ledger(LedgerEntry("r2", None, (old.id, other.id)))
    return memory


def picture(memory):
    """Everything that an export holds."""
    ledgers = [(entry, entry.created_at) for entry in memory.store.ledgers(limit=99)]
    return list(memory.store.dump(Filter())), ledgers


def test_an_export_keeps_versions_ledgers_and_supersessions(tmp_path):
    """What is restored, from an export or a backup, equals what was exported; twice is once."""
    with filled(tmp_path / "a.db") as memory:
        expected = picture(memory)
        assert memory.export(tmp_path / "a.jsonl") == 3
        memory.backup(tmp_path / "backup.db")
    for number, name in enumerate(("a.jsonl", "backup.db")):
        with Memory(None, SQLiteStore(tmp_path / f"again{number}.db")) as again:
            assert again.restore(tmp_path / name) == 3
            assert picture(again) == expected
            assert again.restore(tmp_path / name) == 0
            assert picture(again) == expected


def test_the_ledger_of_a_scope(tmp_path):
    """An export of one scope holds only the ledger entries that name nothing else."""
    with filled(tmp_path / "a.db") as memory:
        assert memory.export(tmp_path / "a.jsonl", scope="default") == 2
    with Memory(None, SQLiteStore(tmp_path / "again.db")) as again:
        again.restore(tmp_path / "a.jsonl")
        assert [entry.reply_id for entry in again.store.ledgers(limit=9)] == ["r1"]


CHILD = """
import sys
from pathlib import Path
from lmort_memory import Memory
from lmort_memory.store import SQLiteStore
with Memory(None, SQLiteStore(sys.argv[1])) as memory:
    for number in range(10_000):
        memory.export(Path(sys.argv[2]) / f"{number}.jsonl")
        print(number, flush=True)
"""


def test_a_killed_export_leaves_no_short_file(tmp_path):
    """Under the final name there is everything or nothing, and the next export takes the rest."""
    exports = tmp_path / "exports"
    exports.mkdir()
    with Memory(None, SQLiteStore(tmp_path / "a.db")) as memory:
        memory.add_many(f"text {number} " * 20 for number in range(1500))
    command = [sys.executable, "-c", CHILD, str(tmp_path / "a.db"), str(exports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "0\n"
        while not any(part.stat().st_size for part in exports.glob(".*.part")):
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
    for whole in exports.glob("*.jsonl"):
        assert whole.read_bytes().count(b"\n") == 1500
    [part] = exports.glob(".*.part")
    name = part.name.split(".")[1]
    assert not (exports / f"{name}.jsonl").exists()
    os.utime(part, (1, 1))
    with Memory(None, SQLiteStore(tmp_path / "a.db")) as memory:
        assert memory.export(exports / f"{name}.jsonl") == 1500
    assert not list(exports.glob(".*.part"))
