"""Files on their way into a memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lmort_memory.serve.imports import Imports, Upload, uploads_dir


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
