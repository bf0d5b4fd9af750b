"""A model without a tuner: vectors from its layers as they are, replaced without loss later."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from lmort_memory.backbone import Backbone
from lmort_memory.encoder import TunedEncoder, open_encoder
from lmort_memory.encoder.artifact import read_artifact, read_card, write_artifact
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.untrained import AT_ONCE, make_untrained, untrained_path
from lmort_memory.errors import TunerError
from lmort_memory.memory import Memory
from tests.support.tiny_chat import write_pair

TEXTS = ["Ada keeps bees.", "The plumber comes on Monday.", "Momo sleeps on the oven."]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A tiny model, and a tuner that was made for it later."""
    return write_pair(tmp_path_factory.mktemp("pair"))


def install(tuner, home):
    """Put a tuner where the model finds it."""
    folder = home / "data/tuners"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(tuner, folder / "made.gguf")


def test_the_first_opening_makes_a_tuner_once(pair, home):
    """It is an ordinary, private file that says what it is; the next opening reads it."""
    opened = open_encoder(pair[0])
    space = opened.encoder.space
    opened.close()
    (path,) = (home / "data/untrained").glob("*.gguf")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    card = read_card(path)
    assert card.provenance["tier"] == AT_ONCE
    assert card.config.n_layer == 0
    written = path.stat().st_mtime_ns
    opened = open_encoder(pair[0])
    assert (opened.encoder.space, path.stat().st_mtime_ns) == (space, written)
    assert np.linalg.norm(opened.encoder.encode_query("bees")) == pytest.approx(1, abs=1e-5)
    opened.close()


def test_a_damaged_file_is_made_again(pair, home):
    """A torn file costs the seconds of the first opening, and no more."""
    open_encoder(pair[0]).close()
    (path,) = (home / "data/untrained").glob("*.gguf")
    path.write_bytes(path.read_bytes()[:2000])
    opened = open_encoder(pair[0])
    assert untrained_path(opened.backbone, path.parent) not in (None, path)
    opened.close()


def test_a_map_with_an_older_table_of_words_is_made_again(pair, home):
    """A version with another table opens the memory, in a new space, and keeps the old file."""
    open_encoder(pair[0]).close()
    (path,) = (home / "data/untrained").glob("*.gguf")
    older = read_artifact(path)
    config = replace(older.card.config, lexicon="0123456789abcdef")
    write_artifact(path, replace(older, card=replace(older.card, config=config)))
    opened = open_encoder(pair[0])
    assert opened.encoder.space != read_card(path).space
    assert len(list(path.parent.glob("*.gguf"))) == 2
    opened.close()


def test_a_folder_that_cannot_be_written_is_named(pair, home):
    """The error says which folder, and what to do."""
    (home / "data").mkdir(parents=True)
    (home / "data/untrained").write_text("in the way")
    with pytest.raises(TunerError, match=r"untrained.*writable"):
        open_encoder(pair[0])


def test_a_slow_model_reads_fewer_texts(pair):
    """When the time is over the map is made of what was read; vectors still differ by text."""
    with Backbone.open(pair[0], n_threads=1) as backbone:
        artifact = make_untrained(backbone, seconds=0.0)
        assert artifact.card.provenance["texts"] == "48"  # the least that are read
        encoder = TunedEncoder(backbone, Tuner(artifact))
        vectors = np.concatenate([one.vectors for one in encoder.encode(TEXTS)])
    assert np.abs(vectors @ vectors.T - np.eye(3)).max() < 0.99


def test_words_stand_beside_what_the_layers_say(pair):
    """Where the table knows the words they decide; where it knows none the layers do."""
    english = ["My sister is a nurse.", "Her sibling works in a hospital."]
    foreign = ["Моя сестра медсестра.", "आज बारिश हो रही है।"]
    with Backbone.open(pair[0], n_threads=1) as backbone:
        tuners = [make_untrained(backbone, words=words) for words in (True, False)]
        near, plain = (
            np.concatenate(
                [
                    one.vectors
                    for one in TunedEncoder(backbone, Tuner(made)).encode(TEXTS + english + foreign)
                ]
            )
            for made in tuners
        )
    both = [vectors[3] @ vectors[4] for vectors in (near, plain)]
    assert both[0] > both[1] + 0.1  # the layers are those of a random model
    first, second = (vectors[-1] @ vectors[-2] for vectors in (near, plain))
    assert first == pytest.approx(second, abs=1e-3)
    assert json.loads(tuners[0].card.provenance["background"])[1] > 0


def test_a_tuner_that_comes_later_loses_nothing(pair, home, tmp_path):
    """Old vectors answer until `reencode` is done; then they are no longer asked."""
    path = tmp_path / "m.db"
    with Memory.open(path, model=pair[0]) as memory:
        memory.add(TEXTS)
        at_once = memory.encoder.space
    install(pair[1], home)
    with Memory.open(path, model=pair[0]) as memory:
        assert memory.notice is None
        assert memory.encoder.space != at_once
        assert memory.status().pending == len(TEXTS)
        found = memory.recall(TEXTS[1], mode="dense", top_k=1)
        assert [hit.record.text for hit in found] == [TEXTS[1]]
        assert found[0].scores.dense > 0.99
        assert memory.reencode() == len(TEXTS)
    with Memory.open(path, model=pair[0]) as memory:
        assert list(memory._encoding.ask("bees", None).vectors) == [memory.encoder.space]
        found = memory.recall(TEXTS[1], mode="dense", top_k=1)
        assert [hit.record.text for hit in found] == [TEXTS[1]]
