"""The calibration kit that ships: what is in it, under which licences, and that it is whole."""

from __future__ import annotations

import gzip
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import lmort_memory.kit as calibration
from benchmarks.kit.draw_kit import LICENCES, ORIGINS
from benchmarks.kit.draw_pairs import PAIR_ORIGINS
from lmort_memory.errors import TunerError
from lmort_memory.kit import (
    HELD_OUT_GROUP,
    PAIRS_FILE,
    TEXTS_FILE,
    VECTORS_FILE,
    load_kit,
    load_pairs,
)
from lmort_memory.tuners.train.teacher import Teacher

FOLDER = Path(calibration.__file__).parent


@pytest.fixture(scope="module")
def kit():
    """The kit that ships."""
    return load_kit()


def test_the_kit_is_small_and_varied(kit):
    """A few thousand short texts of all four kinds, in less than 6 MB, each once."""
    files = [path for path in FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 6_000_000
    assert kit.n_fit > 5000
    kinds = Counter(item.kind for item in kit.items)
    assert set(kinds) == {"turn", "note", "question", "passage"}
    assert min(kinds.values()) > 1000
    assert len({item.text for item in kit.items}) == len(kit.items)
    assert max(len(item.text.split()) for item in kit.items) <= 60


def test_every_source_is_named_with_a_licence_that_lets_it_ship(kit):
    """Only CC0, public domain, MIT, Apache-2.0 and CC-BY; the attribution counts each source."""
    attribution = (FOLDER / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for source, count in Counter(item.source for item in kit.items).items():
        origin = ORIGINS[source]
        assert origin.licence in LICENCES
        assert f"{origin.repository} | {origin.licence} | {count} |" in attribution


def test_pairs_are_varied_named_and_not_held_out(kit):
    """Every source of the pairs may ship and is counted; no text of theirs judges a tuner."""
    pairs = load_pairs()
    attribution = (FOLDER / "ATTRIBUTION.md").read_text(encoding="utf-8").split("## Pairs")[1]
    for source, count in Counter(pair.source for pair in pairs).items():
        origin = PAIR_ORIGINS[source]
        assert origin.licence in LICENCES
        assert f"{origin.repository} | {origin.licence} | {count} |" in attribution
    texts = [text for pair in pairs for text in (pair.question, pair.answer)]
    assert len(set(texts)) == len(texts) == 6000
    assert not set(texts) & {item.text for item in kit.items[: kit.n_held_out]}
    assert max(len(text.split()) for text in texts) <= 60


def test_held_out_texts_come_in_fours(kit):
    """Question, its passage, turn, note: any multiple of four of them can be judged by."""
    assert kit.n_held_out % HELD_OUT_GROUP == 0
    kinds = [item.kind for item in kit.items[: kit.n_held_out]]
    assert kinds == ["question", "passage", "turn", "note"] * (kit.n_held_out // HELD_OUT_GROUP)


def test_the_vectors_are_the_teachers(kit):
    """The teacher gives the same vectors again, up to the rounding to eight bits."""
    picked = [0, 1, 500, 2000, 5000]
    found = Teacher().encode([kit.items[index].text for index in picked])
    assert ((found * kit.vectors[picked]).sum(axis=1) > 0.9995).all()
    assert np.allclose(np.linalg.norm(kit.vectors, axis=1), 1, atol=0.01)


def test_a_damaged_kit_is_an_error(tmp_path):
    """Missing, torn or exchanged files are told from a whole kit."""
    with pytest.raises(TunerError, match="cannot read"):
        load_kit(tmp_path)
    (tmp_path / PAIRS_FILE).write_bytes(b"torn")
    with pytest.raises(TunerError, match=r"cannot read .*pairs"):
        load_pairs(tmp_path)
    for name in (TEXTS_FILE, VECTORS_FILE):
        shutil.copy(FOLDER / name, tmp_path)
    assert load_kit(tmp_path).n_fit > 5000
    lines = gzip.decompress((FOLDER / TEXTS_FILE).read_bytes()).splitlines(keepends=True)
    (tmp_path / TEXTS_FILE).write_bytes(gzip.compress(b"".join(lines[::-1])))
    with pytest.raises(TunerError, match="other texts"):
        load_kit(tmp_path)
    (tmp_path / VECTORS_FILE).write_bytes((FOLDER / VECTORS_FILE).read_bytes()[:1000])
    with pytest.raises(TunerError, match="cannot read"):
        load_kit(tmp_path)
