# ruff: noqa: RUF001 - letters of many languages
"""What the kinds of turns are in other languages than English.

`tests/support/turns_in_languages.tsv` has some twenty turns in each of sixteen languages, and a few
in two more. The tables of words were completed by those of the half "find"; those of the half
"judge" were written with them, and only counted.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lmort_memory.memory.kinds import is_pleasantry, is_question, of_oneself, only_asks, sentences

TURNS = Path(__file__).parents[1] / "support" / "turns_in_languages.tsv"
EXPECTED = {  # asks, only asks, is a pleasantry; None: either
    "asks": (True, True, False),
    "tells": (False, False, False),
    "correct": (False, False, False),
    "small": (None, None, True),
    "look": (None, None, False),
    "keep": (None, False, False),
}


def turns(half):
    """Read the turns of one half."""
    with TURNS.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row for row in rows if row["half"] == half]


def is_right(turn):
    """Return whether a turn is what it is said to be."""
    text = turn["text"]
    found = is_question(text), only_asks(text), is_pleasantry(text)
    return all(
        wanted in (None, got) for wanted, got in zip(EXPECTED[turn["kind"]], found, strict=True)
    )


def test_turns_are_of_their_kind():
    """With their marks and without, in every language of the table."""
    assert [turn["text"] for turn in turns("find") if not is_right(turn)] == []


def test_turns_that_no_table_was_made_for_are_of_their_kind():
    """Nineteen of twenty."""
    judged = turns("judge")
    assert sum(map(is_right, judged)) >= 0.95 * len(judged)


def test_the_first_person_is_seen_where_a_word_says_it():
    """Not where only the ending of a rarer word does, as in Turkish."""
    judged = [turn for turn in turns("judge") if turn["of oneself"] == "yes"]
    assert sum(of_oneself(turn["text"]) for turn in judged) >= 0.7 * len(judged)
    others = [turn for turn in turns("judge") if turn["of oneself"] == "no"]
    assert not any(of_oneself(turn["text"]) for turn in others if turn["kind"] == "asks")


@pytest.mark.parametrize(
    "text",
    [
        "妹妹住在上海？",
        "الاجتماع غدا؟",
        "το τρένο φεύγει;",
        "το τρένο φεύγει στις 9;",
        "το τρένο φεύγει\u037e",
        "Գնացքը գնո՞ւմ է։",
        "¿el tren sale",
        "Le train part ?",
        "Das Boot ist weg?! 😅",
        "「船は出る？」",
    ],
)
def test_the_marks_of_all_scripts_ask(text):
    """Wherever they stand, and whatever pictures follow."""
    assert is_question(text)


@pytest.mark.parametrize("text", ["The boat goes; the train too;", "see you ;)"])
def test_a_semicolon_asks_in_greek_alone(text):
    """Elsewhere it does not."""
    assert not is_question(text)


def test_sentences_end_as_their_script_ends_them():
    """Also where no space follows, and not between two marks."""
    assert len(sentences("मेरी बहन पुणे में रहती है। वह डॉक्टर है।")) == 2
    assert len(sentences("我妹妹住在上海。她是医生？！真的？")) == 3
    assert len(sentences("Ο σκύλος μένει εδώ; Ναι.")) == 2
    assert sentences("什么?!") == ("什么?!",)


def test_a_long_sentence_without_spaces_is_not_a_short_one():
    """So a fact with a question behind it is still a fact."""
    assert not only_asks("我妹妹小红住在杭州西湖旁边。你去过吗？")
    assert only_asks("好的。我妹妹住在哪里？")


@pytest.mark.parametrize(
    "text",
    [
        "Carry-on bags are in the hall.",
        "Add-on packs cost 5 euros",
        "A dove nested on our balcony.",
        "A chi-squared test is what I used.",
        "O Jake, the boat is gone.",
        "Kam lives next door.",
        "Zoë works in AI",
        "Die Schüler lernen viel über AI",
        "Zoë ran 10 mi",
        "Come over for dinner",
        "Jak called me yesterday",
        "Dove soap is on sale",
        "Chi Nguyen is my dentist",
        "Wo Long is a game",
    ],
)
def test_words_that_ask_elsewhere_do_not_ask_in_english(text):
    """A fact in English that begins or ends like another language's question is still told."""
    assert not is_question(text)


@pytest.mark.parametrize(
    "text",
    [
        "Desde que moro em Lisboa, tenho um gato.",
        "Como eu disse, tenho um gato.",
        "Da quando vivo a Roma, non mangio noci.",
        "С кем живу: с сестрой Аней.",
        "По какой-то причине болит спина",
        "Habe ich gestern gekauft.",
        "Ist mein Lieblingsessen.",
        "Heb ik al gedaan.",
    ],
)
def test_what_opens_as_a_question_and_tells_is_no_question(text):
    """A clause goes on behind a comma or colon; a verb comes first where its object is left out."""
    assert not is_question(text)


@pytest.mark.parametrize(
    "text",
    [
        "Où va-t-on demain",
        "Dort-on ici",
        "W jakim mieście mieszkam",
        "A chi ho dato il libro",
        "Habe ich das gekauft",
        "wie was in de kamer",
        "wie is dat",
        "come stai",
        "jak to działa",
        "dove sei",
    ],
)
def test_what_these_words_ask_in_their_language_is_asked(text):
    """Without a mark, too, and beside words that English has."""
    assert only_asks(text)


@pytest.mark.parametrize(
    "text", ["Anna is allergic to soy", "In vivo tests are costly", "MIT is in Cambridge"]
)
def test_words_of_the_first_person_elsewhere_are_none_in_english(text):
    """What is told of others in English is not told of oneself."""
    assert not of_oneself(text)


@pytest.mark.parametrize(
    "text",
    ["Soy vegetariano", "Soy Ana y soy de Lima", "Ho fame", "Mijn naam is Jan", "Ich bin so müde"],
)
def test_words_of_the_first_person_are_seen_in_their_language(text):
    """Also beside a word that English has too."""
    assert of_oneself(text)
