"""Events as times: "before we moved"."""

from datetime import UTC, datetime, timedelta

import pytest

from lmort_memory import Memory, Turn
from lmort_memory.memory.events import Event, event_in
from lmort_memory.store import SQLiteStore

START = datetime(2026, 1, 10, 9, tzinfo=UTC)
SAID = (
    "The neighbours in the old place were students.",
    "Mrs Ames cleans the stairs, and the stairs of the cellar.",
    "So we moved in on the first of August, my blisters have blisters.",
    "Neighbours, neighbours, we have neighbours who keep bees.",
    "A robot cleans the stairs of the whole house, says the landlord.",
)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("Where did we live before we moved?", Event("we moved", before=True)),
        ("What did Mel do after the road trip? I forgot.", Event("the road trip", before=False)),
        ("What has changed since the baby was born", Event("the baby was born", before=False)),
        ("Who ran it UNTIL the merger?", Event("the merger", before=True)),
        ("After the merger, who moved into the office?", Event("the merger", before=False)),
        ("Before the merger: who ran it?", Event("the merger", before=True)),
        ("What did we do before?", None),
        ("What did I do before that?", None),
        ("Where did we live?", None),
        ("Who looks after the dog?", None),
        ("Whom did we name the boat after the war for?", None),
        ("Before you answer, what is the dog's name?", None),
        ("What should I pack before I go?", None),
        ("After all, what did I say about Leith?", None),
        ("What happened after 2?", None),
        ("Since I am allergic to nuts, what can I bake?", None),
        ("What can I bake, since I am allergic to nuts?", None),
    ],
)
def test_the_event_of_a_question_is_found(text, event):
    """Only with rare words of its own, up to the next comma, and not as a cause or after a verb."""
    assert event_in(text) == event


@pytest.fixture
def moved(tmp_path):
    """Eight months of talk, by words alone."""
    with Memory(None, SQLiteStore(tmp_path / "memory.db")) as memory:
        for month, text in enumerate(SAID):
            memory.add(Turn(text, created_at=START + timedelta(days=60 * month)))
        yield memory


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("Who were the neighbours before we moved in?", SAID[0]),
        ("Before we moved in, who were the neighbours?", SAID[0]),
        ("Who cleans the stairs since we moved in?", SAID[4]),
        ("After we moved in, who cleans the stairs?", SAID[4]),
    ],
)
def test_what_was_said_before_or_after_it_comes_first(moved, asked, first):
    """The record that tells of the event says when it was; by words alone another is first."""
    thing = "stairs" if "stairs" in asked else "neighbours"
    assert _about(moved, thing, f"the {thing}")[0] != first
    assert _about(moved, thing, asked)[0] == first


def test_a_stored_question_does_not_tell_of_an_event(moved):
    """The user asked when they moved, long before they did."""
    moved.add(Turn("When was it that we moved in, in August?", created_at=START))
    assert _about(moved, "stairs", "Who cleans the stairs since we moved in?")[0] == SAID[4]


def _about(memory, thing, asked):
    """Return the texts found that mention a thing."""
    texts = [hit.record.text for hit in memory.recall(asked)]
    return [text for text in texts if thing in text.casefold()]
