"""The self-test: questions by the packaged model, and the arithmetic around them."""

import json
from datetime import UTC, datetime

import pytest

from lmort_memory.errors import LmortError
from lmort_memory.memory import Memory
from lmort_memory.memory.selftest import Question, _measure, _question, _sample, self_test, wilson
from lmort_memory.store import SQLiteStore
from lmort_memory.testing.hash_encoder import HashEncoder
from lmort_memory.types import Record
from tests.support.cli import Cli

NOTES = (
    "My sister Ada keeps seven hives of bees in Trondheim, near the fjord.",
    "The dentist moved our appointment to Thursday at nine in the morning.",
    "Grandfather's bread needs rye flour, caraway, and a night in the cellar.",
    "The blue bicycle has a flat tyre; the pump is in the garden shed.",
    "Uncle Bo plays the accordion in a band that is called Northern Light.",
    "We paid 320 kroner for the ferry to the island and back.",
)


def test_the_model_asks_and_recall_answers(monkeypatch, capsys, tmp_path):
    """On a handful of notes the packaged model's questions are answered, and nothing is stored."""
    cli = Cli(monkeypatch, capsys)
    lines = [json.dumps({"text": note, "role": "note"}) for note in NOTES]
    (tmp_path / "notes.jsonl").write_text("\n".join(lines))
    assert cli("import", tmp_path / "notes.jsonl").status == 0
    found = cli("bench", "--self", "--json").json
    assert found["asked"] == len(NOTES)
    assert 5 <= len(found["questions"]) <= len(NOTES)
    modes = {mode["mode"]: mode for mode in found["modes"]}
    assert {"lexical", "dense", "hybrid"} == modes.keys()
    assert modes["hybrid"]["recall_at_10"] == 1.0  # six records, ten places
    assert modes["hybrid"]["recall_at_1"] >= 0.5
    assert found["index_loss"] is None
    assert "lower bounds" in found["trust"]
    assert len(cli("list", "--json").json) == len(NOTES)
    assert cli("bench").status == 2


def test_a_self_test_needs_a_model_and_records(tmp_path):
    """Without a model it is a mistake of the caller; with too few records it says so."""
    wordless = Memory(HashEncoder(), SQLiteStore(tmp_path / "a.db"))
    with wordless as memory, pytest.raises(ValueError, match="needs a model"):
        self_test(memory)
    with Memory.open(tmp_path / "b.db") as memory, pytest.raises(LmortError, match="found 0"):
        self_test(memory)


@pytest.fixture
def memory(tmp_path):
    """A memory of the notes, with a model-free encoder."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "m.db")) as memory:
        for note in NOTES:
            memory.add(note)
        yield memory


def test_shares_and_ranks_are_counted_right(memory):
    """A question that finds its record first, and one that asks for another, are told apart."""
    ids = [record.id for record in memory.records()]
    questions = [
        Question(ids[0], "hives of bees in Trondheim", 1.0),
        Question(ids[1], "hives of bees in Trondheim", 1.0),
    ]
    found = _measure(memory, questions, "lexical", "default")
    assert (found.recall_at_1, found.recall_at_10, found.mrr_at_10) == (0.5, 0.5, 0.5)
    assert found.interval == pytest.approx(wilson(1, 2))
    assert 0 < found.p50_ms <= found.p95_ms


def test_wilsons_interval():
    """The values of the formula's textbook example, 8 of 10, and both ends."""
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10)[0] == pytest.approx(0.0)
    assert wilson(10, 10)[1] == pytest.approx(1.0)


def record(text):
    """A record of a text."""
    now = datetime.now(UTC)
    return Record("id", text, "note", "default", None, now, now, {}, None, None)


@pytest.mark.parametrize(
    ("spoken", "text", "copied"),
    [
        ("Question: Where are the bees? And why?", "Where are the bees?", 0.5),
        ("Where does\nshe live?", "Where does she live?", 0.0),
        ("The bees are in Trondheim.", None, 0.0),
        ("???", None, 0.0),
    ],
)
def test_what_the_model_wrote_becomes_a_question(spoken, text, copied):
    """The first question counts, with the share of its words that were there; or none."""
    found = _question(record("The bees hum in the garden."), spoken)
    assert (found and found.text) == text
    if found:
        assert found.copied == copied


def test_the_sample_is_fair():
    """Every record that can be asked about has the same chance; short ones have none."""
    records = [record(f"{n:04} " + "x" * 40) for n in range(40)] + [record("Thanks!")]
    counts: dict[str, int] = {}
    for seed in range(400):
        for one in _sample(iter(records), 10, seed):
            counts[one.text] = counts.get(one.text, 0) + 1
    assert len(counts) == 40
    assert 60 < min(counts.values()) <= max(counts.values()) < 145  # 100 each, within 5 deviations
