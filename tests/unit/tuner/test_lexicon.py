"""Word vectors: what is written is read, and what tuners make of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lmort_memory.encoder.artifact import Artifact, read_artifact, write_artifact
from lmort_memory.encoder.config import WORDS_DIM, TunerConfig
from lmort_memory.encoder.lexicon import Lexicon, load_lexicon, words_of, write_lexicon
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.errors import TunerError, TunerMismatchError
from lmort_memory.modelfile.header import read_header
from lmort_memory.types import HiddenStates
from tests.support.tuners import artifact_of, perturbed, random_states

WORDS = ("bees", "honey", "sister", "the")
WEIGHTS = np.array([1.0, 0.9, 0.8, 0.1], np.float32)
DIM = 64

CONFIG = TunerConfig(
    n_embd=32, align_layer=1, uniform_layer=2, n_layer=1, n_head=2, width=16, n_ff=32, dim=WORDS_DIM
)


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    """Random vectors of the words."""
    return np.random.default_rng(0).standard_normal((len(WORDS), DIM)).astype(np.float32)


@pytest.fixture
def lexicon(table, tmp_path) -> Lexicon:
    """These vectors, written and read again, without a bias."""
    path = tmp_path / "words.npz"
    write_lexicon(path, WORDS, table * WEIGHTS[:, None], WEIGHTS, np.zeros(DIM, np.float32))
    return load_lexicon(path)


def unit(vector):
    """Scale to length 1."""
    return vector / np.linalg.norm(vector)


def test_a_text_is_the_sum_of_its_words(lexicon, table):
    """Each as often as it stands there and times its weight, within the rounding to 4 bits."""
    wanted = unit(2 * table[0] + 0.1 * table[3])
    (found,) = lexicon.vectors(["Bees! The BEES."])
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    assert found @ wanted > 0.98


def test_what_is_not_known_shortens_the_vector(lexicon):
    """To a quarter if half is unknown, like rare words; without a known one nothing is added."""
    known, half, none, empty = lexicon.vectors(["bees", "bees Bienen", "Bienen und Honig", "… 42"])
    assert np.linalg.norm(known) == pytest.approx(1, abs=1e-5)
    assert np.allclose(half, known / 4, atol=1e-5)
    assert not none.any() and not empty.any()


def test_words_are_letters_in_any_case_and_with_any_apostrophe(lexicon):
    """A possessive is its word; digits, dashes and underscores part words."""
    assert list(words_of("My SISTER\u2019s well-kept_notes, 3rd")) == [
        "my",
        "sister's",
        "well",
        "kept",
        "notes",
        "rd",
    ]
    assert np.allclose(*lexicon.vectors(["sister's", "Sister\u2019s"]))
    assert np.allclose(*lexicon.vectors(["sister's", "sister"]))


def test_a_page_without_spaces_is_one_unknown_word(lexicon):
    """Nothing longer than a word is kept or looked up."""
    assert [len(word) for word in words_of("a" * 100_000)] == [25]
    assert not lexicon.vectors(["a" * 100_000]).any()


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "shapes"])
def test_a_damaged_table_is_refused(tmp_path, table, damage):
    """The error names the file and what to do."""
    path = tmp_path / "words.npz"
    write_lexicon(path, WORDS, table, WEIGHTS, np.zeros(DIM, np.float32))
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "text":
        path.write_text("not a table")
    else:
        write_lexicon(path, WORDS[:3], table, WEIGHTS, np.zeros(DIM, np.float32))
    with pytest.raises(TunerError, match=r"words\.npz"):
        load_lexicon(path)


def test_the_table_that_ships_knows_what_words_mean():
    """A text is nearer to one in other words than to one about something else."""
    vectors = load_lexicon().vectors(
        ["My sister is a nurse.", "Her sibling works in a hospital.", "The train leaves at nine."]
    )
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > far + 0.2


def reading(artifact: Artifact, share: float = 0.5, identity: str | None = None) -> Artifact:
    """Add the words of the table that ships to a tuner."""
    config = replace(artifact.card.config, lexicon=identity or load_lexicon().identity)
    weights = {**artifact.weights, "lexicon.share": np.array([share], np.float32)}
    return Artifact(replace(artifact.card, config=config), weights)


def said(_tokens) -> str:
    """Stand for a detokenizer."""
    return "Ada keeps bees."


def test_a_tuner_adds_words_to_its_unit_vector():
    """In the given share; the same after saving, in a space of its own."""
    plain = artifact_of(perturbed(CONFIG))
    states = random_states(CONFIG, 5)
    (words,) = load_lexicon().vectors([said(())])
    wanted = unit(Tuner(plain).encode(states) + 0.5 * words)
    assert np.allclose(Tuner(reading(plain), said).encode(states), wanted, atol=1e-5)


def test_a_tuner_with_words_is_a_file_of_format_5(tmp_path):
    """Older versions refuse it by its number, and its space is another than without words."""
    plain = artifact_of(perturbed(CONFIG))
    without = write_artifact(tmp_path / "plain.gguf", plain)
    fingerprint = write_artifact(tmp_path / "words.gguf", reading(plain))
    assert fingerprint != without
    assert read_header(tmp_path / "words.gguf").metadata["lmort.format_version"] == 5
    assert read_header(tmp_path / "plain.gguf").metadata["lmort.format_version"] == 2
    loaded = read_artifact(tmp_path / "words.gguf")
    assert loaded.card.config.lexicon == load_lexicon().identity
    states = random_states(CONFIG, 7)
    found, wanted = (Tuner(one, said).encode(states) for one in (loaded, reading(plain)))
    assert np.abs(found - wanted).max() < 1e-3


def test_another_table_is_refused():
    """Vectors of another table would silently be compared with its own."""
    other = reading(artifact_of(perturbed(CONFIG)), identity="0123456789abcdef")
    with pytest.raises(TunerMismatchError, match="0123456789abcdef"):
        Tuner(other, said)


def test_words_need_a_detokenizer():
    """Without one there is an error and no vector that lacks a part."""
    tuner = Tuner(reading(artifact_of(perturbed(CONFIG))))
    with pytest.raises(ValueError, match="detokenizer"):
        tuner.encode(random_states(CONFIG, 3))
    states: HiddenStates = random_states(CONFIG, 3)
    assert np.isfinite(tuner.reading(said).encode(states)).all()


def test_a_tuner_that_reads_nothing_is_refused():
    """Words alone need no model, and a tuner without any part makes no vector."""
    for lexicon in ("", load_lexicon().identity):
        with pytest.raises(ValueError, match="found no"):
            TunerConfig(n_embd=32, align_layer=1, uniform_layer=2, n_layer=0, lexicon=lexicon)
