"""Words so usual that sharing them means nothing, in other languages than English."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lmort_memory.chat.notes import Found, pack_notes
from lmort_memory.memory.overlap import stems
from lmort_memory.types import Hit, Record, Scores


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Meine Bank ist jetzt die ING, nicht mehr die Sparkasse.", {"bank", "ing", "spark"}),
        ("Mi banco ahora es el ING.", {"banco", "ing"}),
        ("Ma banque, c'est la BNP.", {"banqu", "bnp"}),
        ("Мой банк теперь Тинькофф.", {"банк", "тиньк"}),
        ("我的银行是工商银行。", {"银行", "工商", "商银"}),
        ("Ada keeps bees.", {"ada", "keeps", "bees"}),
        ("Kim likes Mia.", {"kim", "likes", "mia"}),
        ("제 은행은 신한입니다", {"은행", "신한", "한입", "입니", "니다"}),
        ("van rental deposit", {"van", "renta", "depos"}),
        ("Bin day", {"bin", "day"}),
        ("Han Solo's hat size", {"han", "solo", "hat", "size"}),
        ("Who will die in the war for the son?", {"die", "war", "son"}),
        (
            "The Los Angeles office is in the El Paso tower.",
            {"los", "angel", "offic", "el", "paso", "tower"},
        ),
    ],
)
def test_usual_words_of_the_texts_language_are_no_stems(text, left):
    """And those of no other language: what is usual in one means something in another."""
    assert stems(text) == left


def test_a_sign_of_another_script_is_no_letter():
    """The last word of a sentence is the word, without the mark behind it."""
    assert stems("أين أختي؟") == stems("أختي")
    assert stems("नमक।") == stems("नमक")


def test_facts_that_share_only_grammar_are_not_of_one_thing():
    """In a prompt none of them says that another is outdated."""
    days = [datetime(2026, 3, day, 9, tzinfo=UTC) for day in (1, 3, 5)]
    facts = [
        "Meine Schwester ist jetzt in der Schule.",
        "Mein Hund ist nicht in der Küche.",
        "Meine Bank ist jetzt die ING.",
    ]
    found = [
        Found(Hit(Record(f, f, "user", "default", f, d, d, {}, None, None), 1.0, 1, Scores()), 0.9)
        for f, d in zip(facts, days, strict=True)
    ]
    notes = pack_notes(found, budget=500, count_tokens=len, now=days[-1])
    assert len(notes.memories) == 3
    assert "earlier:" not in notes.text
