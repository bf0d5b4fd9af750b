"""Records that hold no longer: set aside, never deleted."""

from datetime import UTC, datetime

import pytest

from lmort_memory import Memory, RecordNotFoundError
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder

MARCH = datetime(2026, 3, 3, tzinfo=UTC)
MAY = datetime(2026, 5, 5, tzinfo=UTC)


@pytest.fixture
def memory(tmp_path):
    """A memory without a model."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "m.db")) as opened:
        yield opened


def two(memory):
    """What was so in March and what is so since May."""
    return [
        memory.add({"content": text, "role": "user", "created_at": when})
        for text, when in (("The code of the alarm is 1234", MARCH), ("Alarm: 9876", MAY))
    ]


def test_the_old_record_leaves_recall_and_stays_stored(memory):
    """Nothing is deleted; it is found when it is asked for."""
    old, new = two(memory)
    assert memory.supersede(old, new.id).superseded_by == new.id
    assert [hit.record.id for hit in memory.recall("alarm code")] == [new.id]
    both = {hit.record.id for hit in memory.recall("alarm code", include_superseded=True)}
    assert both == {old.id, new.id}
    old, new = memory.get(old.id), memory.get(new.id)
    assert (old.valid_to, new.valid_from, new.valid_to) == (MAY, MAY, None)
    assert memory.predecessors([new.id]) == {new.id: [old]}
    assert len(list(memory.records())) == 2


def test_a_chain_has_no_circle(memory):
    """A record cannot take its own place, in one step or in two."""
    old, new = two(memory)
    memory.supersede(old, new)
    for pair in ((new, old), (old, old)):
        with pytest.raises(ValueError, match="cannot replace"):
            memory.supersede(*pair)
    with pytest.raises(RecordNotFoundError):
        memory.supersede(old, "nothing")
    with pytest.raises(ValueError, match="time zone"):
        memory.supersede(old, new, at=datetime(2026, 1, 1))  # noqa: DTZ001


def test_what_was_replaced_can_become_true_again(memory, tmp_path):
    """Said again, it is found; the replaced record stays so, here and in a restored copy."""
    one, two = memory.add("x is one"), memory.add("x is two")
    memory.supersede(one, two)
    again = memory.add("x is one")
    assert again.id != one.id and memory.add("x is one") == again
    memory.supersede(two, again)
    assert [hit.record.id for hit in memory.recall("x is")] == [again.id]
    memory.export(tmp_path / "all.jsonl")
    with Memory(None, SQLiteStore(tmp_path / "other.db")) as other:
        assert other.restore(tmp_path / "all.jsonl") == 3
        assert other.add("x is one").id == again.id


def test_export_and_restore_keep_it(memory, tmp_path):
    """The three fields travel with the record."""
    old, new = two(memory)
    memory.supersede(old, new)
    memory.export(tmp_path / "all.jsonl")
    with Memory(None, SQLiteStore(tmp_path / "other.db")) as other:
        other.restore(tmp_path / "all.jsonl")
        assert list(other.records()) == list(memory.records())


def test_what_replaced_it_can_be_forgotten(memory):
    """The old record names it no longer, and still holds no longer."""
    old, new = two(memory)
    memory.supersede(old, new)
    memory.forget(new.id)
    assert memory.get(old.id).superseded_by is None
    assert memory.get(old.id).valid_to == MAY
