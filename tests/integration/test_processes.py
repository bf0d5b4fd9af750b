"""A memory in programs of many threads and processes."""

import gc
import multiprocessing
import threading
from pathlib import Path

import pytest

from lmort_memory import Memory, StoreError
from lmort_memory.errors import BackboneError
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder


def open_files() -> int:
    """Return how many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors as Linux shows")
def test_a_thread_that_ended_holds_no_file(tmp_path):
    """A server that uses a new thread for each request keeps a constant number of open files."""
    with Memory(HashEncoder(8), SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add("bees")
        before = open_files()
        for number in range(40):
            thread = threading.Thread(target=lambda n=number: memory.add(f"note {n}"))
            thread.start()
            thread.join()
        gc.collect()
        assert open_files() <= before + 2
        assert memory.status().store.records == 41


@pytest.mark.parametrize("happens", ["deleted", "moved", "replaced"])
def test_nothing_is_written_into_a_file_that_is_gone(tmp_path, happens):
    """A database that was moved away while open takes no more records, and says why."""
    path = tmp_path / "m.db"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add("bees")
        if happens == "deleted":
            path.unlink()
        else:
            path.rename(tmp_path / "other.db")
        if happens == "replaced":
            SQLiteStore(path).close()
        with pytest.raises(StoreError, match="moved, deleted or replaced"):
            memory.add("ants")


def _in_child(memory, queue):
    try:
        queue.put(("added", memory.add("from the child", defer=True).text))
        memory.recall("bees")
    except BackboneError as error:
        queue.put(("refused", str(error)))


def test_a_forked_child_uses_the_file_and_not_the_model(tmp_path, pair):
    """After a fork the database works in both processes; the model says that it stayed behind."""
    model, tuner = pair
    with Memory.open(tmp_path / "m.db", model=model, tuner=tuner) as memory:
        memory.add("bees")
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_in_child, args=(memory, queue))
        child.start()
        assert queue.get(timeout=60) == ("added", "from the child")
        kind, message = queue.get(timeout=60)
        child.join(60)
        assert child.exitcode == 0
        assert kind == "refused" and "after the fork" in message
        memory.add("from the parent")
        assert {one.text for one in memory.records()} == {
            "bees",
            "from the child",
            "from the parent",
        }
