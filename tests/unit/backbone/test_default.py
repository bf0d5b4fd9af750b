"""The packaged model's copy in the type that is read fastest."""

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lmort_memory.backbone import default as default_module
from lmort_memory.backbone import default_model_path, fast_default_path
from lmort_memory.encoder.opening import open_encoder
from lmort_memory.modelfile.facts import read_facts, read_header
from lmort_memory.modelfile.fingerprint import fingerprint


def test_the_copy_is_the_same_model(tmp_path: Path):
    """The copy has the packaged weights' identity and one type for all matrices; it is private."""
    path = fast_default_path(tmp_path / "models")
    assert fingerprint(read_header(path)) == fingerprint(read_header(default_model_path()))
    assert read_facts(path).quantisation == "Q8_0"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_it_is_made_once(tmp_path: Path):
    """The second use finds what the first made."""
    path = fast_default_path(tmp_path)
    before = path.stat()
    assert fast_default_path(tmp_path) == path
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_damaged_copy_is_made_again(tmp_path: Path):
    """A copy that lost its end is replaced, not opened."""
    path = fast_default_path(tmp_path)
    os.truncate(path, 1_000_000)
    assert fast_default_path(tmp_path) == path
    assert path.stat().st_size > 140_000_000


def test_a_copy_of_another_version_goes(tmp_path: Path):
    """An update of the package leaves no second 145 MB behind."""
    other = tmp_path / "SmolLM2-135M-Instruct-0.0.1.Q8_0.gguf"
    other.touch()
    converted = tmp_path / "gptj-a5ef7ce2688c.gguf"
    converted.touch()
    path = fast_default_path(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([converted, path])


def test_many_at_once_share_one_copy(tmp_path: Path):
    """Processes and threads that come first at the same time all get the copy."""
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(fast_default_path, [tmp_path] * 4))
    assert found == {default_module.fast_copy_path(tmp_path)}
    assert list(tmp_path.iterdir()) == list(found)


def test_its_vectors_are_those_of_the_packaged_file():
    """A memory that was filled with one can be asked with the other."""
    texts = ("My sister keeps bees in Trondheim.", "When does the boat leave?", "f(x) = x")
    vectors = []
    for model in (None, default_model_path()):
        opened = open_encoder(model)
        vectors.append(np.stack([opened.encoder.encode_query(text) for text in texts]))
        opened.close()
    assert (vectors[0] * vectors[1]).sum(axis=1).min() > 0.998


def test_without_a_place_for_it_the_packaged_file_is_used(tmp_path: Path, caplog):
    """A folder that cannot be made costs speed, not the model, and is said."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert fast_default_path(blocked / "models") == default_model_path()
    assert "without its faster copy" in caplog.text


def test_a_full_disk_keeps_its_last_gigabyte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where little is free, nothing is written."""
    monkeypatch.setattr(default_module, "_ROOM", 1 << 62)
    assert fast_default_path(tmp_path) == default_model_path()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path: Path):
    """An unfinished copy goes when it is old, and stays while somebody may be writing it."""
    name = default_module.fast_copy_path(tmp_path).name
    old, new = tmp_path / f".{name}.old.part", tmp_path / f".{name}.new.part"
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 3600,) * 2)
    path = fast_default_path(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([new, path])
