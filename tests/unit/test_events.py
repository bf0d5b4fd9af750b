"""Events as times: "before we moved"."""

from datetime import UTC, datetime, timedelta

import pytest

from lmort_memory import Memory, Turn
from lmort_memory.memory.events import Event, event_in
from lmort_memory.store import SQLiteStore

START = datetime(2026, 1, 10, 9, tzinfo=UTC)
SAID = (
    "We rent the top floor above a launderette in Harehills.",
    "The neighbours in the old place were noisy students.",
    "So we moved in on the first of August, my blisters have blisters.",
    "The neighbours here keep bees and gave us a jar.",
)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("Where did we live before we moved?", Event("we moved", before=True)),
        ("What did Mel do after the road trip? I forgot.", Event("the road trip", before=False)),
        ("What has changed since the baby was born", Event("the baby was born", before=False)),
        ("Who ran it UNTIL the merger?", Event("the merger", before=True)),
        ("What did we do before?", None),
        ("What did I do before that?", None),
        ("Where did we live?", None),
    ],
)
def test_the_event_of_a_question_is_found(text, event):
    """Only with characteristic words of its own; the rest of the sentence names it."""
    assert event_in(text) == event


@pytest.fixture
def moved(tmp_path):
    """Four months of talk, by words alone."""
    with Memory(None, SQLiteStore(tmp_path / "memory.db")) as memory:
        for month, text in enumerate(SAID):
            memory.add(Turn(text, created_at=START + timedelta(days=60 * month)))
        yield memory


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("Who were the neighbours before we moved in?", SAID[1]),
        ("Who are the neighbours since we moved in?", SAID[3]),
    ],
)
def test_what_was_said_before_or_after_it_comes_first(moved, asked, first):
    """The record that tells of the event says when it was."""
    neighbours = [hit.record.text for hit in moved.recall(asked) if "neighbours" in hit.record.text]
    assert neighbours[0] == first


def test_a_stored_question_does_not_tell_of_an_event(moved):
    """The user asked when they moved, long before they did."""
    moved.add(Turn("When was it that we moved in, in August?", created_at=START))
    found = moved.recall("Who are the neighbours since we moved in?")
    neighbours = [hit.record.text for hit in found if "neighbours" in hit.record.text]
    assert neighbours[0] == SAID[3]
