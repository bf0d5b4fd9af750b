"""Drawing the kit: only from the listed sources, the same every time."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from benchmarks.kit.draw_kit import N_GROUPS, PAIRS, SOURCES, draw, write_kit
from lmort_memory.kit import TEXTS_FILE, VECTORS_FILE, load_kit


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder in which every source has rows of the shape that it is drawn in."""
    root = tmp_path_factory.mktemp("data")
    for path in {source.path for source in SOURCES} | set(PAIRS):
        file = root / f"{path}.jsonl.gz"
        file.parent.mkdir(exist_ok=True)
        name = path.split("/")[1]
        with gzip.open(file, "wt") as rows:
            for i in range(60):
                text = (
                    f"3rd (Easter day). At {name} up betimes {i}.12 He said “we shall meet {i} "
                    f"times at {name} or more” User: I would like {i} of {name} please "
                    "Assistant: They will come soon"
                )
                positive = f"Grad {i}: Right , we do n't know what {name} {i} is .\nNo speaker"
                row = {"text": text, "query": f"What is {name} number {i}?", "positive": positive}
                rows.write(json.dumps(row) + "\n")
    return root


def test_a_draw_repeats_itself(data):
    """Same folder, same kit; no text is there twice, and each kind is."""
    items, n_held_out = draw(data)
    assert (items, n_held_out) == draw(data)
    assert len({item.text for item in items}) == len(items)
    assert {item.kind for item in items} == {"turn", "note", "question", "passage"}
    assert n_held_out == 4 * N_GROUPS


def test_texts_are_cleaned(data):
    """Dates, footnote marks and tokenised marks are gone; speech and turns stand alone."""
    texts = {item.text for item in draw(data)[0]}
    assert "Right, we don't know what qmsum 7 is." in texts
    assert "we shall meet 7 times at standard_ebooks or more" in texts
    assert "I would like 7 of taskmaster please" in texts
    diary = [text for text in texts if text.startswith("At standard_ebooks up betimes 7")]
    assert diary
    assert all("Easter day" not in text and ".12" not in text for text in diary)


def test_a_kit_is_read_as_it_was_written(data, tmp_path):
    """Texts, order and vectors come back; writing it again gives the same bytes."""
    items, n_held_out = draw(data)
    vectors = np.random.default_rng(0).standard_normal((len(items), 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    write_kit(tmp_path, items, vectors, n_held_out=n_held_out)
    kit = load_kit(tmp_path)
    assert list(kit.items) == items
    assert kit.n_held_out == n_held_out
    assert ((kit.vectors * vectors).sum(axis=1) > 0.999).all()
    assert "CC0-1.0" in (tmp_path / "ATTRIBUTION.md").read_text()
    before = [(tmp_path / name).read_bytes() for name in (TEXTS_FILE, VECTORS_FILE)]
    write_kit(tmp_path, items, vectors, n_held_out=n_held_out)
    assert [(tmp_path / name).read_bytes() for name in (TEXTS_FILE, VECTORS_FILE)] == before
