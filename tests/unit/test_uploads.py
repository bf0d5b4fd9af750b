"""Files on their way into a memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lmort_memory import Memory
from lmort_memory.serve.imports import Imports, Upload, uploads_dir
from lmort_memory.store import SQLiteStore


def test_a_server_removes_what_a_killed_one_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uploads that nothing touches any more go when a server starts; others stay."""
    monkeypatch.setenv("LMORT_HOME", str(tmp_path))
    left, coming = Upload("vault/old.md"), Upload("vault/new.md")
    left.write(b"secret")
    coming.write(b"words")
    long_ago = time.time() - 3600
    place = left.finish()
    for path in (place, *place.relative_to(uploads_dir()).parents):
        os.utime(uploads_dir() / path, (long_ago, long_ago))
    Imports().close()
    assert not place.exists()
    assert coming.finish().read_bytes() == b"words"


def test_what_a_killed_server_left_goes_while_the_next_one_runs(tmp_path, monkeypatch):
    """It was too young when the next one started; it goes with a later import."""
    monkeypatch.setenv("LMORT_HOME", str(tmp_path))
    imports = Imports()
    left, sent = Upload("old.md"), Upload("new.md")
    left.write(b"secret")
    sent.write(b"words")
    place = left.finish()
    for path in (place, place.parent):
        os.utime(path, (0, 0))
    with Memory(None, SQLiteStore(tmp_path / "m.db")) as memory:
        imports.begin(memory, sent.finish(), name="new.md", scope="default")
        assert not place.exists()
        while imports.active:
            time.sleep(0.01)
        imports.close()
        assert [record.text for record in memory.records()] == ["new\n\nwords"]


def test_the_same_content_may_come_as_a_file_and_as_a_folder(tmp_path, monkeypatch):
    """A name that is a folder of another one's finds a place beside it, and the same one again."""
    monkeypatch.setenv("LMORT_HOME", str(tmp_path))

    def sent(name):
        upload = Upload(name)
        upload.write(b"Bees.")
        return upload.finish()

    file, below = sent("notes/a"), sent("notes/a/b")
    assert file.read_bytes() == below.read_bytes() == b"Bees."
    assert (sent("notes/a"), sent("notes/a/b")) == (file, below)
    above = sent("notes")
    assert above.read_bytes() == b"Bees." and above.name == "notes"
