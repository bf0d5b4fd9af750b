"""What a speaker said later about the same thing, and its place among the notes."""

from datetime import UTC, datetime

import pytest

from lmort_memory import Hit, Memory, Record, Scores, Turn
from lmort_memory.chat.notes import Found, renewed, with_later
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder

MARCH, JUNE, OCTOBER = (datetime(2026, month, 5, 9, tzinfo=UTC) for month in (3, 6, 10))
OLD = "The alarm code of the bakery is 1234."


@pytest.fixture
def memory(tmp_path):
    """An empty memory whose vectors are near where texts share words."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "m.db")) as memory:
        yield memory


def said(memory, text, when, *, role="user"):
    """Store a statement of a day."""
    return memory.add(Turn(text, role=role, created_at=when))


def test_the_nearest_later_statement_of_the_speaker_is_found(memory):
    """Neither a reply, nor another speaker, nor a question, nor what came before."""
    before = said(memory, "The alarm code of the bakery is 1111.", MARCH)
    old = said(memory, OLD, JUNE)
    said(memory, OLD.replace("1234", "5555"), OCTOBER, role="assistant")
    said(memory, OLD.replace("1234", "7777"), OCTOBER, role="Mick")
    said(memory, "What is the alarm code of the bakery now?", OCTOBER)
    said(memory, "Leeks grow best in deep soil.", OCTOBER)
    new = said(memory, "The alarm code of the bakery is 9876 now.", OCTOBER)
    assert memory.later([old]) == {old.id: new}
    assert memory.later([before]) == {before.id: old}
    assert memory.later([new]) == {}


def test_nothing_near_nothing_found(memory):
    """A later statement about something else is not news of this; replies have no later words."""
    old = said(memory, OLD, MARCH)
    reply = said(memory, "Noted, the code of the bakery is 1234.", MARCH, role="assistant")
    said(memory, "Leeks grow best in deep soil.", OCTOBER)
    assert memory.later([old, reply]) == {}


def test_without_vectors_nothing_is_found(tmp_path):
    """A memory of words alone has nothing to compare."""
    with Memory(None, SQLiteStore(tmp_path / "m.db")) as memory:
        old = said(memory, OLD, MARCH)
        said(memory, OLD.replace("1234", "9876"), OCTOBER)
        assert memory.later([old]) == {}


def found(text, likelihood):
    """A hit that is worth a note."""
    record = Record(text, text, "user", "default", "s", MARCH, MARCH, {}, None, None)
    return Found(Hit(record, 1.0, 1, Scores()), likelihood)


def test_it_stands_beside_what_it_renews_and_the_least_likely_leave():
    """Each note once, and never more than there is room for."""
    hits = [found("old", 0.9), found("other", 0.5), found("least", 0.1)]
    new = found("new", 0.9)
    later = {"old": new.record, "other": hits[0].record}
    chosen = with_later(hits, later, at_most=3)
    assert [(one.record.text, one.likelihood) for one in chosen] == [
        ("old", 0.9),
        ("new", 0.45),
        ("other", 0.5),
    ]
    assert with_later(hits, {}, at_most=3) == hits


def test_what_the_prompt_shows_is_no_news(memory):
    """A hit is renewed by its later statement, unless the prompt shows that one already."""
    old, new = said(memory, OLD, JUNE), said(memory, OLD.replace("1234", "9876"), OCTOBER)
    hits = [Found(Hit(old, 1.0, 1, Scores()), 0.9)]
    chosen = renewed(memory, hits, seen=(), at_most=3)
    assert [one.record for one in chosen] == [old, new]
    assert renewed(memory, hits, seen={new.id}, at_most=3) == hits
