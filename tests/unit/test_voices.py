"""Whose words answer a question."""

import pytest

from lmort_memory.memory.voices import ASKING, VOICE, Said, shares

PEOPLE = {
    "anna": Said.of("Anna: We moved to the new flat in Leith last March, by the water", "message"),
    "ben": Said.of("Ben: I was in Leith for a friend's flat warming by the water", "message"),
    "asks": Said.of("Ben: How was the move to the new flat in Leith by the water?", "message"),
    "me": Said.of("My own flat in Leith is on the third floor, by the water", "user"),
    "reply": Said.of("You could look at flats in Leith, some are by the water", "assistant"),
    "note": Said.of("Flats in Leith", "note"),
}


def _best(asked, **how):
    found = shares(asked, PEOPLE, **how)
    return {id_ for id_ in found if found[id_] > VOICE / 2}


@pytest.mark.parametrize(
    ("asked", "by"),
    [
        ("When did Anna move?", {"anna"}),
        ("when did anna move", {"anna"}),
        ("What do Anna and Ben say about Leith?", {"anna", "ben", "asks"}),
        ("What was Ben's reason to come?", {"ben", "asks"}),
        ("Which floor is my flat on?", {"me", "note"}),
        ("What did you recommend to me?", {"reply"}),
        ("What did I tell Anna about my flat?", {"anna", "me", "note"}),
        ("Are flats in Leith expensive?", set()),
    ],
)
def test_the_one_whom_a_question_is_about_is_lifted(asked, by):
    """A speaker by name, the user by "my", the assistant by "you recommended"."""
    assert _best(asked) == by


@pytest.mark.parametrize(
    ("asked", "name", "mentioned"),
    [
        ("Will it rain?", "Will", False),
        ("When will Will come?", "Will", True),
        ("Did I buy the house?", "Dr. House", False),
        ("What did Dr. House find?", "Dr. House", True),
        ("when did müller call", "Eva Müller", True),
        ("小明说了什么?", "小明", True),
        ("小红说了什么?", "小明", False),
    ],
)
def test_a_name_that_is_also_a_word(asked, name, mentioned):
    """A common word is a name only with a capital inside a sentence."""
    said = {"it": Said.of("see you at eight by the old bridge then", "message", name)}
    assert (shares(asked, said)["it"] > VOICE / 2) is mentioned


def test_who_speaks():
    """The author of an imported message, a role that is a name, or the text's opening."""
    assert Said.of("hi", "message", "Ada").speaker == "Ada"
    assert Said.of("hi", "Ada").speaker == "Ada"
    assert Said.of("Ada: hi", "user").speaker == "Ada"
    assert Said.of("Ada: hi", "note").speaker is None
    assert Said.of("the long and winding road: hi", "user").speaker is None
    assert Said.of("hi", "message", ["not", "a name"]).speaker is None


def test_a_turn_that_asks_is_lowered_unless_it_is_wanted():
    """The same turn as a statement keeps its share."""
    both = {
        "asks": Said.of("Shall we meet at the bridge?", "user"),
        "says": Said.of("We shall meet at the bridge.", "user"),
    }
    found = shares("Where is the meeting?", both)
    assert found["says"] - found["asks"] == pytest.approx(ASKING)
    wanted = shares("Where is the meeting?", both, lower_asking=False)
    assert wanted["says"] == wanted["asks"]


def test_a_turn_that_says_more_comes_first():
    """Up to some twenty characteristic words; documents are left as they are."""
    long = "Thanks, we took the ferry from Oban to Mull and saw otters near Fishnish pier"
    turns = {name: Said.of(text, "user") for name, text in {"a": "Thanks, Mel!", "b": long}.items()}
    found = shares("How was the ferry?", turns)
    assert found["b"] > 0 > found["a"]
    assert shares("How was the ferry?", {"n": Said.of("Ferry", "note")}) == {"n": 0}
