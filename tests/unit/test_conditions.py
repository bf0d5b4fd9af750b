"""The conditions that recall, records and forget share, and values that they refuse."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lmort_memory import Memory, RecordNotFoundError, Source, Turn
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder


@pytest.fixture
def memory(tmp_path):
    """Two records of two roles and sessions."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "m.db")) as opened:
        opened.add({"role": "user", "content": "Ada keeps bees"}, session="a")
        opened.add({"role": "note", "content": "Bees sleep in winter"}, session="b")
        yield opened


def test_a_source_narrows_too(memory):
    """What was imported from one file is recalled, listed and forgotten by its URI."""
    memory.add(Turn("Bees dance", source=Source("file:///bees.md")))
    assert [h.record.text for h in memory.recall("bees", source="file:///bees.md")] == [
        "Bees dance"
    ]
    assert [record.text for record in memory.records(source="file:///bees.md")] == ["Bees dance"]
    assert memory.forget(source="file:///bees.md").records == 1


def test_all_three_take_the_same_conditions(memory):
    """A condition that narrows recall narrows a listing and a deletion too."""
    later = datetime.now(UTC) + timedelta(hours=1)
    assert [hit.record.role for hit in memory.recall("bees", role="note")] == ["note"]
    assert [record.role for record in memory.records(role="note", until=later)] == ["note"]
    assert list(memory.records(since=later)) == []
    assert memory.forget(role="note").records == 1
    assert [record.session for record in memory.records()] == ["a"]


@pytest.mark.parametrize("call", ["recall", "records", "forget"])
def test_an_unknown_condition_is_named(memory, call):
    """As Python names an argument that does not exist."""
    arguments = ("bees",) if call == "recall" else ()
    with pytest.raises(TypeError, match=rf"{call}\(\) got an unexpected keyword argument 'rolle'"):
        getattr(memory, call)(*arguments, rolle="user")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"mode": "fuzzy"}, "mode must be one of hybrid, dense, lexical; got 'fuzzy'"),
        ({"vector": np.full(64, np.nan, np.float32)}, "must be finite"),
        ({"half_life": timedelta(days=-1)}, "half_life must be greater than zero"),
        ({"half_life": timedelta(0)}, "half_life must be greater than zero"),
        ({"where": {5: 1}}, "must be strings; found 5"),
        ({"since": datetime(2026, 1, 1)}, "needs a time zone for since"),  # noqa: DTZ001
        ({"top_k": 0}, "top_k must be at least 1"),
        ({"neighbours": -1}, "neighbours must be at least 0"),
        ({"diversity": 2}, "diversity must be from 0 to 1"),
    ],
)
def test_a_value_that_means_nothing_is_refused(memory, arguments, says):
    """The message says what was found."""
    with pytest.raises(ValueError, match=says):
        memory.recall("bees", **arguments)


def test_a_condition_of_the_wrong_type_is_refused(memory):
    """Before SQLite sees it."""
    with pytest.raises(TypeError, match="takes session as str or None; got list"):
        memory.recall("bees", session=["a"])


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"top_k": "5"}, TypeError),
        ({"top_k": 1.5}, TypeError),
        ({"top_k": 10**30}, ValueError),
        ({"neighbours": 2**63}, ValueError),
        ({"min_score": "high"}, TypeError),
        ({"min_score": float("nan")}, ValueError),
        ({"half_life": 7}, TypeError),
        ({"diversity": "much"}, TypeError),
        ({"vector": ["a"]}, ValueError),
    ],
)
def test_an_argument_of_recall_that_cannot_be_meant_is_named(memory, given, error):
    """The wrong type is a TypeError and a number out of range a ValueError, before any search."""
    with pytest.raises(error, match="vector|string" if "vector" in given else next(iter(given))):
        memory.recall("bees", **given)


def test_a_vector_may_be_a_list(memory):
    """Numbers from JSON, or from another library, find what an array finds."""
    vector = memory.encoder.encode_query("bees")
    found = [hit.record.id for hit in memory.recall("", vector=vector)]
    assert found == [hit.record.id for hit in memory.recall("", vector=[float(x) for x in vector])]


def test_a_time_or_metadata_of_another_type_is_named(memory):
    """A date as text, a plain day, a list: a TypeError that says which argument it is."""
    first, second = (record.id for record in memory.records())
    for wrong in ("2024-05-01", 1714521600, datetime(2024, 5, 1, tzinfo=UTC).date()):
        for call in (
            lambda w=wrong: Turn("bees", created_at=w),
            lambda w=wrong: memory.update(first, expires_at=w),
            lambda w=wrong: memory.supersede(first, second, at=w),
        ):
            with pytest.raises(TypeError, match="must be a datetime"):
                call()
    for wrong in ([], "topic", {1}):
        with pytest.raises(TypeError, match="metadata must be a mapping"):
            memory.update(first, metadata=wrong)
    with pytest.raises(TypeError, match="a record or its id"):
        memory.supersede(first, 5)


@pytest.mark.parametrize(
    "call",
    [
        lambda memory, record: memory.get(record),
        lambda memory, record: memory.history(record),
        lambda memory, record: memory.update(record, "Ada keeps goats"),
        lambda memory, record: memory.forget(record),
        lambda memory, record: memory.forget([record]),
        lambda memory, record: memory.recall(record),
        lambda memory, record: list(memory.records(after=record)),
    ],
)
def test_a_record_in_place_of_its_id_is_named(memory, call):
    """Whoever passes a record on is told what was found, not what a regular expression wants."""
    record = next(memory.records())
    with pytest.raises(TypeError, match="str; got Record"):
        call(memory, record)
    assert memory.get(record.id).text == "Ada keeps bees"


@pytest.mark.parametrize(
    ("one", "kind"),
    [("Bees", "str"), (b"Bees", "bytes"), ({"role": "user", "content": "Bees"}, "dict")],
)
def test_one_item_is_not_several(memory, one, kind):
    """A text is not a row of letters, nor a message one of its fields' names."""
    with pytest.raises(TypeError, match=f"several items; got one {kind}"):
        memory.add_many(one)
    assert len(list(memory.records())) == 2


def test_bytes_are_no_text(memory):
    """They are refused as what they are."""
    with pytest.raises(TypeError, match="got bytes"):
        memory.add(b"Bees")


def test_an_id_that_is_no_text_is_no_record(memory):
    """Half an emoji in an id finds nothing, as any other id that does not exist."""
    with pytest.raises(RecordNotFoundError):
        memory.history("\ud83d")
    assert list(memory.records(after="\ud83d")) == []
