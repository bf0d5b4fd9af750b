"""Questions to another become questions about oneself, with their answers; a dictionary is read."""

from __future__ import annotations

import pytest

from benchmarks.kit.draw_talk import answered, entries, to_oneself


@pytest.mark.parametrize(
    ("asked", "about_oneself"),
    [
        ("Where do you live?", "Where do I live?"),
        ("What's your favourite band?", "What's my favourite band?"),
        ("What are you allergic to?", "What am I allergic to?"),
        ("what makes you happy?", "What makes me happy?"),
    ],
)
def test_a_question_is_turned_to_oneself(asked, about_oneself):
    """Persons change, and nothing else."""
    assert to_oneself(asked) == about_oneself


def test_an_answer_loses_politeness_and_the_question_that_is_handed_back():
    """Questions about how somebody is, and answers about nobody, make no pair."""
    said = [
        "Hi! How are you doing today?",
        "I'm fine. I have been working all morning.",
        "Nice! What do you do for a living?",
        "Thanks for asking. I repair clocks in a small shop. What about you?",
        "What do you think of Paris?",
        "It is a big city.",
    ]
    assert list(answered(said)) == [
        ("What do I do for a living?", "I repair clocks in a small shop.")
    ]


def test_an_entry_has_its_words_its_meaning_and_its_examples(tmp_path):
    """The licence at the top is skipped, like underscores and markers of adjectives."""
    line = (
        '04284002 06 n 02 tea_spoon 0 spoon(p) 0 001 @ 1 n 0000 | a piece of cutlery; "she stirred '
        'her tea with it"; "he ate"\n'
    )
    (tmp_path / "data.noun").write_text("  1 This software and database\n" + line)
    for kind in ("verb", "adj", "adv"):
        (tmp_path / f"data.{kind}").write_text("")
    assert list(entries(tmp_path)) == [
        ("tea spoon, spoon: a piece of cutlery", ["she stirred her tea with it"])
    ]
