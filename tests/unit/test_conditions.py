"""The conditions that recall, records and forget share, and values that they refuse."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lmort_memory import Memory, Source, Turn
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
