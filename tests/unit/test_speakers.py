"""Whose words answer a question."""

from datetime import UTC, datetime

import pytest

from lmort_memory.memory.speakers import ASKING, SPEAKER, UNNAMED, Said, boosts
from lmort_memory.types import Record

NOW = datetime(2026, 11, 27, tzinfo=UTC)
PEOPLE = {
    "anna": Said.turn(
        "Anna: We moved to the new flat in Leith last March, by the water", "message"
    ),
    "ben": Said.turn("Ben: I was in Leith for a friend's flat warming by the water", "message"),
    "asks": Said.turn("Ben: How was the move to the new flat in Leith by the water?", "message"),
    "me": Said.turn("My own flat in Leith is on the third floor, by the water", "user"),
    "reply": Said.turn("You could look at flats in Leith, some are by the water", "assistant"),
    "note": Said("note"),
}


def _best(asked, **how):
    found = boosts(asked, PEOPLE, **how)
    return {id_ for id_ in found if found[id_] > SPEAKER / 2}


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
        ("Can you tell me which floor my flat is on?", {"me", "note"}),
        ("Could you list my flats?", {"me", "note"}),
        ("I want you to write about my flat", {"me", "note"}),
        ("Are flats in Leith expensive?", {"me", "note"}),
    ],
)
def test_the_one_whom_a_question_is_about_is_boosted(asked, by):
    """A speaker by name, the user by "my", the assistant by "you recommended"."""
    assert _best(asked) == by


@pytest.mark.parametrize(
    ("asked", "name", "mentioned"),
    [
        ("Will it rain?", "Will", False),
        ("When will Will come?", "Will", True),
        ("I am off to Skye. Will it rain?", "Will", False),
        ("Hello! Can you help?", "Can Yaman", False),
        ("What did I eat?", "Malcolm I", False),
        ("Did I buy the house?", "Dr. House", False),
        ("What did Dr. House find?", "Dr. House", True),
        ("when did müller call", "Eva Müller", True),
        ("小明说了什么?", "小明", True),
        ("小红说了什么?", "小明", False),
    ],
)
def test_a_name_that_is_also_a_word(asked, name, mentioned):
    """A common word is a name only with a capital inside a sentence."""
    said = {"it": Said.turn("see you at eight by the old bridge then", "message", name)}
    assert (boosts(asked, said)["it"] > SPEAKER / 2) is mentioned


def _record(text, role="user", session="s", **metadata):
    return Record(
        id="r",
        text=text,
        role=role,
        scope="default",
        session=session,
        created_at=NOW,
        updated_at=NOW,
        metadata=metadata,
        source=None,
        expires_at=None,
    )


def test_who_speaks():
    """The author of an imported message, a role that is a name, or the text's opening."""
    assert Said.by(_record("hi", "message", author="Ada")).speaker == "Ada"
    assert Said.by(_record("hi", "Ada")).speaker == "Ada"
    assert Said.by(_record("Ada: hi")).speaker == "Ada"
    assert Said.by(_record("the long and winding road: hi")).speaker is None
    assert Said.by(_record("hi", "message", author=["not", "a name"])).speaker is None


@pytest.mark.parametrize("role", ["note", "system", "document", "item", "memory file"])
def test_a_document_is_no_turn(role):
    """Whatever its role: it has no speaker, asks nobody, and its length counts for nothing."""
    said = Said.by(_record("Ada: shall we?", role, session=None))
    assert said == Said(role)
    usual = UNNAMED if role == "note" else 0  # notes are the user's own words
    assert boosts("What did Ada ask?", {"it": said}) == {"it": usual}


def test_a_heading_is_a_speaker_only_if_it_opens_several_turns():
    """The opening "Rent:" is none, and "Caroline:" is, because it comes again."""
    rent = {
        "a": Said.turn("Rent: 900 a month since May, and the deposit was 1,800", "assistant"),
        "b": Said.turn("The rent of the garage is a hundred a month, since last year", "assistant"),
    }
    found = boosts("How much is the rent?", rent)
    assert abs(found["a"] - found["b"]) < SPEAKER / 2
    texts = (
        "Caroline: We were in Oban by the sea",
        "Caroline: The sea was cold",
        "Mel: By the sea!",
    )
    turns = {text: Said.turn(text, "user") for text in texts}
    found = boosts("Where was Caroline?", turns)
    assert min(found[text] for text in texts[:2]) > found[texts[2]] + SPEAKER / 2


def test_a_turn_that_asks_is_lowered_unless_it_is_wanted():
    """The same turn as a statement keeps its share."""
    both = {
        "asks": Said.turn("Shall we meet at the bridge?", "user"),
        "says": Said.turn("We shall meet at the bridge.", "user"),
    }
    found = boosts("Where is the meeting?", both)
    assert found["says"] - found["asks"] == pytest.approx(ASKING)
    wanted = boosts("Where is the meeting?", both, lower_asking=False)
    assert wanted["says"] == wanted["asks"]


def test_a_turn_that_says_more_comes_first():
    """Up to some twenty characteristic words; documents are left as they are."""
    long = "Thanks, we took the ferry from Oban to Mull and saw otters near Fishnish pier"
    turns = {
        name: Said.turn(text, "user") for name, text in {"a": "Thanks, Mel!", "b": long}.items()
    }
    found = boosts("How was the ferry?", turns)
    assert found["b"] > UNNAMED > found["a"]
    assert boosts("How was the ferry?", {"n": Said("note")}) == {"n": UNNAMED}


def test_without_a_name_the_user_s_own_words_come_first():
    """Less surely than with "my", and only until somebody is named."""
    turns = {
        "user": Said.turn("The ferry leaves from Oban, by the old bridge at eight", "user"),
        "reply": Said.turn("The ferry leaves from Oban, by the old bridge at eight", "assistant"),
        "Ben": Said.turn(
            "The ferry leaves from Oban, by the old bridge at eight", "message", "Ben"
        ),
    }
    found = boosts("Where does the ferry leave?", turns)
    assert found["user"] - found["reply"] == pytest.approx(UNNAMED)
    assert found["reply"] == found["Ben"]
    found = boosts("Where does the ferry leave, Ben said?", turns)
    assert found["user"] == found["reply"] < found["Ben"]


def test_a_name_with_vowel_signs_is_known():
    """Sita is boosted in Hindi as in English."""
    turns = {"a": Said("Sita", speaker="Sita", named=True)}
    hindi = {"a": Said("सीता", speaker="सीता", named=True)}
    assert boosts("सीता ने क्या कहा?", hindi) == boosts("What did Sita say?", turns)
