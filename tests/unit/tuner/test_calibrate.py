"""Fitting "not in memory", and writing it into a tuner's file."""

import gzip
import json

import numpy as np
import pytest

from benchmarks.kit import fit_likelihood as calibrate
from lmort_memory import TunerError
from lmort_memory.encoder.artifact import read_artifact, read_card
from tests.support.tiny_chat import write_pair


def test_a_fit_finds_the_function_that_made_the_labels():
    """Labels drawn from a logistic function give its weights back, within the sampling error."""
    rng = np.random.default_rng(0)
    found = rng.random((20_000, 2))
    p = 1 / (1 + np.exp(-(-3 + found @ [4.0, 2.0])))
    fitted = calibrate.fit(found, (rng.random(len(p)) < p).astype(float))
    numbers = [fitted.bias, fitted.cosine, fitted.overlap]
    assert numbers == pytest.approx([-3, 4, 2], abs=0.2)
    one = calibrate.fit(found, (found[:, 1] > 0.5).astype(float), columns=(1,))
    assert one.cosine == 0
    assert one.overlap > 10


def test_calibrating_changes_nothing_but_the_notes(tmp_path, monkeypatch, capsys):
    """The whole command, on two small sources: same weights and fingerprint, new numbers."""
    model, tuner = write_pair(tmp_path)
    monkeypatch.setattr(calibrate, "SOURCES", ("one", "two"))
    monkeypatch.setattr(calibrate, "SIZES", (3,))
    for name in calibrate.SOURCES:
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt") as file:
            for i in range(8):
                pair = {"query": f"Which {name} is {i}?", "positive": f"The {name} {i} is {i * i}."}
                file.write(json.dumps(pair) + "\n")
    before = read_artifact(tuner)
    assert calibrate.main([str(tuner), "--model", str(model), "--data", str(tmp_path)]) == 0
    after = read_card(tuner)
    assert after.fingerprint == before.card.fingerprint
    assert after.provenance["likelihood_source"].startswith("12 questions of one, two")
    assert calibrate.Calibration.from_text(after.provenance["likelihood"])
    assert after.provenance.items() >= before.card.provenance.items()
    assert "fitted on the others" in capsys.readouterr().out


def test_missing_pairs_are_an_error_that_names_the_file(tmp_path):
    """What cannot be read is said, with its path."""
    with pytest.raises(TunerError, match=r"cannot read the pairs .*none\.jsonl\.gz"):
        calibrate.questions(tmp_path / "none.jsonl.gz", seed=0)
