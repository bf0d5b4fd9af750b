"""Questions that refer to an earlier turn."""

import pytest

from lmort_memory.memory.follow_ups import in_full, refers_back


@pytest.mark.parametrize(
    "text",
    [
        "And when is her birthday?",
        "what does it need",
        "How much is it?",
        "What illness does she have?",
        "How much was that?",
        "Wo wohnt sie?",
        "Wann hat er Geburtstag?",
        "¿Cuándo es su cumpleaños?",
    ],
)
def test_a_pronoun_refers_to_an_earlier_turn(text):
    """In a short question, in several languages."""
    assert refers_back(text)


@pytest.mark.parametrize(
    "text",
    [
        "When is Ada's birthday?",
        "How old is my son?",
        "What time is it?",
        "Is it raining?",
        "Can I work in IT?",
        "Wie ist Ihre Adresse?",
        "Waar zijn mijn sleutels?",
        "A bit chilly today, isn't it?",
        "Are there any good films on?",
        "She lives in Leeds.",
        "Should I tell her that the boat, which we want to sell in spring, has a leak?",
        "Hi there! Who is Ada?",
        "What did I give Theo when he turned fifteen?",
        "Where did my son earn his own money?",
        "Was it me who broke the stair?",
        "How much did I pay for that snare?",
        "",
    ],
)
def test_other_turns_do_not(text):
    """Names, idle pronouns, statements, and questions that say enough themselves."""
    assert not refers_back(text)


def test_a_follow_up_is_asked_with_the_words_of_what_it_refers_to():
    """Of the last turn that refers to nothing itself, and of its question."""
    earlier = ["And when is her birthday?", "Hello there! Where does my sister Ada work?", "Hi."]
    assert in_full("Where does she live?", earlier) == "Where does she live? (sister Ada work)"
    assert (
        in_full("Where does she live?", ["Thanks!", "ok", "Great, thank you so much!", *earlier])
        is not None
    )
    assert in_full("Where does she live?", ["Ada comes on Friday."]) is not None
    assert in_full("Where does she live?", []) is None
    assert in_full("Where does she live?", ["And when is her birthday?"]) is None
    assert in_full("Where does Tom live?", earlier) is None
