# ruff: noqa: RUF001 - questions in many languages
"""Questions that refer to an earlier turn."""

import pytest

from lmort_memory.memory.follow_ups import Earlier, in_full, refers_back


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
        "Когда у неё день рождения?",
        "她什么时候生日？",
        "उसका जन्मदिन कब है?",
        "WHEN IS HER BIRTHDAY?",
        "and who conducts it",
        "what happened to the other one?",
        "what time?",
        "And when?",
        "how much",
        "and the booking ref?",
    ],
)
def test_a_pronoun_or_a_gap_refers_to_an_earlier_turn(text):
    """In a short question, in several languages, shouted too."""
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
        "When did Åse say she is moving?",
        "What did Élodie want for her birthday?",
        "and what time does the ferry to Horta leave?",
        "what's the time",
        "and I paid the rent",
        "",
    ],
)
def test_other_turns_do_not(text):
    """Names, idle pronouns, statements, and questions that say enough themselves."""
    assert not refers_back(text)


def test_a_follow_up_is_asked_with_the_words_of_what_it_refers_to():
    """Of the last turn that refers to nothing itself, and of its question; then of its answer."""
    earlier = [
        Earlier("And when is her birthday?", "On 2 July."),
        Earlier("Hello there! Where does my sister Ada work?", "Ada is a midwife in Leeds."),
        Earlier("Hi."),
    ]
    asked = "Where does she live?"
    assert list(in_full(asked, earlier)) == [
        "Where does she live? (sister Ada work)",
        "Where does she live? (sister Ada work midwife Leeds)",
    ]
    thanked = [Earlier("Thanks!"), Earlier("ok"), Earlier("Great, thank you so much!"), *earlier]
    assert list(in_full(asked, thanked)) == list(in_full(asked, earlier))
    assert list(in_full(asked, [Earlier("Ada comes on Friday.")])) == [
        f"{asked} (Ada comes Friday)"
    ]
    assert not list(in_full(asked, []))
    assert not list(in_full(asked, [Earlier("And when is her birthday?")]))
    assert not list(in_full("Where does Tom live?", earlier))
