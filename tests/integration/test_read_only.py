"""A database on a medium that takes no writing: everything that reads works, nothing is damage."""

import os

import pytest

from lmort_memory import Memory, StoreError
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder

NOBODY = 65534


@pytest.fixture
def locked(tmp_path):
    """A database of three records that this process can read and not write, and its encoder."""
    encoder = HashEncoder(8)
    folder = tmp_path / "disk"
    folder.mkdir()
    with Memory(encoder, SQLiteStore(folder / "m.db")) as memory:
        memory.add(["Ada keeps bees.", "Bob sails.", "Cleo paints."])
    (folder / "m.db").chmod(0o444)
    folder.chmod(0o555)
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(0o755)
    as_root = os.geteuid() == 0  # whom permissions do not concern
    if as_root:
        os.seteuid(NOBODY)
    yield folder / "m.db", encoder
    if as_root:
        os.seteuid(0)
    folder.chmod(0o755)


def test_everything_that_reads_works(locked):
    """Recall by meaning and by words, records, status and verify need no writing."""
    path, encoder = locked
    with Memory(encoder, SQLiteStore(path)) as memory:
        assert memory.recall("Who keeps bees?")[0].record.text == "Ada keeps bees."
        assert memory.recall("sails", mode="lexical")[0].record.text == "Bob sails."
        assert len(list(memory.records())) == 3
        assert memory.status().store.records == 3
        assert memory.store.verify().ok
        assert memory.store.sweep().records == 0


def test_what_writes_says_why_it_cannot(locked):
    """An add and a forget are refused with a message that says what can be done."""
    path, encoder = locked
    with Memory(encoder, SQLiteStore(path)) as memory:
        (record, *_) = memory.records()
        for write in (lambda: memory.add("Dora digs."), lambda: memory.forget(record.id)):
            with pytest.raises(StoreError, match="copy it to a writable folder"):
                write()
        assert len(list(memory.records())) == 3
