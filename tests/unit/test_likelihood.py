"""How likely it is that an answer is stored: evidence, function, and what a tuner's file says."""

from datetime import UTC, datetime

import pytest

from lmort_memory import Hit, Memory, Record, Scores
from lmort_memory.memory.likelihood import Calibration, Evidence, evidence, overlap
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder


def hit(text, dense):
    """A hit of this cosine."""
    now = datetime.now(UTC)
    record = Record("id", text, "user", "default", None, now, now, {}, None, None)
    return Hit(record, 1.0, 1, Scores(dense=dense))


def test_evidence_is_drawn_from_all_hits():
    """The cosine of the nearest record, and the most words of the question in one hit."""
    found = evidence("Where does Ada live?", [hit("bees", 0.6), hit("Ada lives there", 0.3)])
    assert found.cosine == 0.6
    assert found.overlap == overlap("Where does Ada live?", "Ada lives there") > 0
    assert evidence("Who?", []) == Evidence(0.0, 0.0)
    assert evidence("Who?", [hit("alone", None)]).cosine == 0.0


@pytest.mark.parametrize(
    ("text", "share"),
    [("", 0.0), ("The bees that Ada may KEEP", 1.0), ("KEEP it", 4 / 11), ("nothing of it", 0.0)],
)
def test_overlap_counts_the_letters_of_shared_words(text, share):
    """Case and endings do not matter; long words weigh more."""
    assert overlap("ada keep bees", text) == pytest.approx(share)


def test_a_calibration_survives_its_text_and_stays_a_probability():
    """What a tuner's file holds is read back; no evidence leaves the range from 0 to 1."""
    calibration = Calibration(-4.0, 6.0, 2.0)
    assert Calibration.from_text(calibration.to_text()) == calibration
    low, high = (calibration.likelihood(Evidence(x, x)) for x in (-1e6, 1e6))
    assert 0 <= low < 0.01 < 0.99 < high <= 1
    for text in ("[]", '{"bias": 1}', "nonsense"):
        with pytest.raises(ValueError):
            Calibration.from_text(text)


def test_a_memory_knows_more_of_what_it_holds(tmp_path):
    """The estimate is higher for a question whose answer is stored than for another."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add("Ada keeps bees in Trondheim.")
        memory.add("The ferry leaves at nine.")
        known, unknown = (
            memory.likelihood(query, memory.recall(query, explain=True))
            for query in ("Where does Ada keep her bees?", "What colour is the kettle?")
        )
        assert 0 < unknown < known < 1
        assert memory.likelihood("Anything?", []) == 0
