"""Drift: another build, weight type or device that computes other vectors is noticed and undone."""

from dataclasses import replace

import numpy as np
import pytest

from lmort_memory import Memory
from lmort_memory.encoder import open_encoder
from lmort_memory.memory.canaries import LEAST, TEXTS, drift_of
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder
from tests.support.cli import Cli
from tests.support.quantised import requantise


class OnBuild(HashEncoder):
    """An encoder that says what computes, and counts the texts that it is given."""

    def __init__(self, environment, *, turned=0):
        super().__init__(16)
        self.environment = environment
        self.turned = turned
        self.texts = 0

    def encode(self, texts, *, progress=None):
        """Encode, and count."""
        self.texts += len(texts)
        found = super().encode(texts, progress=progress)
        return [replace(one, vectors=np.roll(one.vectors, self.turned, axis=1)) for one in found]


def test_canaries_are_encoded_once_for_each_build(tmp_path):
    """What is unchanged costs no forward pass; another build costs one batch, and no alarm."""
    first = OnBuild("a")
    with Memory(first, SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add("Ada keeps bees.")
        assert first.texts == 1 + len(TEXTS)
    again, other = OnBuild("a"), OnBuild("b")
    for encoder, texts in ((again, 0), (other, len(TEXTS))):
        with Memory(encoder, SQLiteStore(tmp_path / "m.db")) as memory:
            memory.recall("bees")
            memory.recall("bees")
            assert encoder.texts == texts and memory.notice is None


def test_what_a_chat_alone_stored_gets_its_canaries_at_the_end(tmp_path):
    """Turns bring their own vectors, and none of them waits for a further pass."""
    encoder = OnBuild("a")
    with Memory(encoder, SQLiteStore(tmp_path / "m.db")) as memory:
        [encoded] = encoder.encode(["Ada keeps bees."])
        memory.add("Ada keeps bees.", encoded=encoded)
        memory.recall("bees")
        assert encoder.texts == 1
    assert encoder.texts == 1 + len(TEXTS)
    with SQLiteStore(tmp_path / "m.db") as store:
        assert store.canaries(encoder.space) is not None


def test_drift_is_said_everywhere_and_reencode_ends_it(tmp_path, monkeypatch, capsys):
    """One line with the cosine and the command; a stopped reencode goes on where it was."""
    cli, path = Cli(monkeypatch, capsys), tmp_path / "m.db"
    with Memory(OnBuild("a"), SQLiteStore(path)) as memory:
        memory.add([f"note {i} about bees" for i in range(150)])
    turned = OnBuild("b", turned=3)
    with Memory(turned, SQLiteStore(path)) as memory:
        memory.recall("bees")
        assert "run: lmort-mem reencode" in memory.notice
        drift = drift_of(memory.store, turned.space)
    assert drift.cosine < LEAST
    for command, status in (("status", 0), ("verify", 0)):
        done = cli(command, "--db", path)
        assert done.status == status and f"cosine {drift.cosine:.3f}" in done.out + done.err
        assert cli(command, "--json", "--db", path).json["drift"][0]["space"] == turned.space

    class Stop(Exception):
        pass

    def stop(done, _total):
        if done >= 64:
            raise Stop

    with Memory(turned, SQLiteStore(path)) as memory:
        with pytest.raises(Stop):
            memory.reencode(progress=stop)
        turned.texts = 0
        assert memory.reencode() == 150 - 64
        assert memory.notice is None and memory.store.verify().ok
        ids = [record.id for record in memory.records()]
        (expected,) = turned.encode([memory.get(ids[0]).text])
        found = memory.store.vectors(turned.space, ids)
        assert len(found) == 150 and np.allclose(found[ids[0]].vectors, expected.vectors, atol=1e-3)
    assert cli("status", "--json", "--db", path).json["drift"] == []


def test_real_weight_types(tmp_path, fast_default):
    """Vectors of SmolLM2 in Q8_0 are at home in F16; those of a foreign set of numbers are not."""
    path = tmp_path / "m.db"
    with Memory.open(path, model=fast_default) as memory:
        memory.add("Ada keeps bees in Trondheim.")
    with Memory.open(path, model=requantise(tmp_path / "F16.gguf", "F16")) as memory:
        assert memory.recall("Where are Ada's bees?")
        space = memory.encoder.space
        kept = memory.store.canaries(space)
        assert LEAST < kept.cosine < 1.0 and memory.notice is None
        shifted = replace(kept, vectors=np.roll(kept.vectors, 1, axis=1), checked_by="elsewhere")
        memory.store.put_canaries(space, shifted)
    with Memory.open(path, model=fast_default) as memory:
        memory.recall("Where are Ada's bees?")
        assert "cosine" in (memory.notice or "")


def test_the_environment_names_what_computes(fast_default):
    """The same model opened twice is one environment; it names library and weight type."""
    found = []
    for _ in range(2):
        opened = open_encoder(fast_default)
        found.append(opened.encoder.environment)
        opened.close()
    assert found[0] == found[1] and "Q8_0" in found[0] and "- " not in found[0][:2]
