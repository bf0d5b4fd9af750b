# ruff: noqa: RUF001 - replies in many languages
"""A stored question is not an answer to the same question."""

from datetime import UTC, datetime, timedelta

import pytest

from lmort_memory import Memory, Turn
from lmort_memory.memory.echoes import restatements
from lmort_memory.memory.languages.unknown import knows_nothing
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder

FACT = "We cross to the island on Sundays; the boat goes at nine."
ASKED = ("When does the boat to the island go?", "What time does the boat go to the island?")


@pytest.fixture(params=["vectors", "words"])
def memory(request, tmp_path):
    """A fact, and ten days on which it was asked for and not answered."""
    encoder = HashEncoder() if request.param == "vectors" else None
    with Memory(encoder, SQLiteStore(tmp_path / "m.db")) as opened:
        began = datetime(2026, 5, 1, tzinfo=UTC)
        opened.add({"role": "user", "content": FACT, "created_at": began}, session="told")
        for day in range(10):
            at = began + timedelta(days=day + 1)
            pair = ({"role": "user", "content": ASKED[day % 2], "created_at": at},)
            pair += ({"role": "assistant", "content": "Let me think.", "created_at": at},)
            opened.add(pair, session=f"asked-{day}")
        yield opened


def test_the_fact_comes_before_every_repetition(memory):
    """In the same words and in others."""
    for question in (*ASKED, "the boat to the island, when does it go?"):
        assert memory.recall(question)[0].record.text == FACT


def test_a_question_is_found_when_it_is_asked_for(memory):
    """By its role, or in words."""
    asked = memory.recall(ASKED[0], role="user", top_k=1)[0].record
    assert asked.text in ASKED
    asked = memory.recall("What did I ask you about the boat to the island?", top_k=1)[0].record
    assert asked.text in ASKED


OTHERS = (
    "Ada keeps bees in Trondheim.", "My passport expires in May.", "Egil plays the cello.",
    "We painted the kitchen yellow.", "The dentist is in Harbour Street.", "I am allergic to nuts.",
)  # fmt: skip
REPLIES = ("The boat goes at nine on Sundays.", "It goes at nine.", "You cross on Sundays at nine.")


def test_a_reply_that_repeats_the_fact_comes_after_it(memory):
    """However often it was given, and unless it is what is asked for."""
    for day, reply in enumerate(REPLIES * 2):
        memory.add({"role": "assistant", "content": reply}, session=f"asked-{day}")
    for question in ASKED:
        assert memory.recall(question)[0].record.text == FACT
    told = memory.recall("What did you tell me about the boat on Sundays?")
    assert told[0].record.text in REPLIES


def test_a_reply_that_says_more_keeps_its_place(tmp_path):
    """A rare word of its own makes it an answer."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add("We cross to the island on Sundays.")
        told = "The boat to the island goes from Hurtigkai when the tide is in."
        memory.add({"role": "assistant", "content": told}, session="s")
        assert memory.recall("Where does the boat to the island go from?")[0].record.text == told


@pytest.mark.parametrize("encoder", [HashEncoder(), None])
def test_asking_again_changes_nothing(tmp_path, encoder):
    """Neither the order of what is found, nor the estimate that the answer is stored."""
    with Memory(encoder, SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add_many([FACT, *OTHERS])

        def ask():
            hits = memory.recall(ASKED[0], top_k=15, explain=True)
            facts = [hit.record.text for hit in hits if hit.record.text in (FACT, *OTHERS)]
            return facts, memory.likelihoods(ASKED[0], hits)[1]

        facts, likelihood = ask()
        for number in range(6):
            pair = [
                {"role": "user", "content": ASKED[number % 2]},
                {"role": "assistant", "content": REPLIES[number % 3]},
            ]
            memory.add_many(pair, session=f"asked-{number}")
        again, later = ask()
        assert again[0] == facts[0] == FACT
        assert later == pytest.approx(likelihood, abs=0.05)


OWN = "When does our boat to the island go?"
EMPTY = (
    "As an assistant I can say that the boat to the island is a wonderful boat, and that the island"
    " is a place to which a boat may go at any time. Is there another boat that you ask about?"
)


def test_an_empty_reply_to_the_same_question_competes_with_no_fact(tmp_path):
    """It has words of its own, and knows nothing of who asks."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add_many([FACT, *OTHERS])

        def ask():
            hits = memory.recall(OWN, top_k=15, explain=True)
            assert hits[0].record.text == FACT
            return memory.likelihoods(OWN, hits)[1]

        before = ask()
        memory.add_many(
            [{"role": "user", "content": OWN}, {"role": "assistant", "content": EMPTY}],
            session="asked",
        )
        assert ask() == pytest.approx(before, abs=0.05)


CHEESE = "Which cheese belongs in carbonara?"
PECORINO = "Pecorino romano belongs in carbonara, and never any cream."


@pytest.mark.parametrize(
    "reply",
    [
        "I don't have anything about that in my notes.",
        "I'm sorry, I don't know which coffee you like.",
        "You haven't told me which coffee you like.",
        "There is no information about the coffee you like.",
        "Das weiß ich leider nicht.",
        "Lo siento, no lo sé.",
        "Désolé, je ne sais pas.",
        "К сожалению, я не знаю.",
        "抱歉，我不知道。",
    ],
)
def test_a_reply_that_knows_nothing_competes_with_no_fact(tmp_path, reply):
    """However much of the question it repeats, in several languages."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "m.db")) as memory:
        told = memory.add("No sugar in my coffee, please, but oat milk.")
        memory.add([{"role": "assistant", "content": reply}], session="asked")
        question = "which coffee do I like? sorry, I don't know, keine Ahnung, lo siento, désolé"
        assert memory.recall(question)[0].record.id == told.id


@pytest.mark.parametrize(
    "reply",
    [
        "I don't know his number, but he lives in Bergen.",
        "The museum has no entrance fee on Mondays.",
        "I have no doubt that it is the blue one.",
        "It leaves at nine.",
    ],
)
def test_a_reply_that_says_something_is_an_answer(reply):
    """Though it says, beside that, what it does not know."""
    assert not knows_nothing(reply)


def test_the_reply_to_a_question_about_the_world_keeps_its_place(tmp_path):
    """Nothing that was told stands behind it."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add_many([*OTHERS, "The gym opens at six on weekdays."])
        asked = [{"role": "user", "content": CHEESE}, {"role": "assistant", "content": PECORINO}]
        memory.add_many(asked, session="a")
        assert memory.recall(CHEESE)[0].record.text == PECORINO


def _said(memory, *turns):
    """Store turns of one session, a minute apart; None leaves five hours."""
    at = datetime(2026, 5, 1, tzinfo=UTC)
    records = []
    for turn in turns:
        if turn is None:
            at += timedelta(hours=5)
            continue
        role, text = turn
        records.append(memory.add(Turn(text, role=role, session="s", created_at=at)))
        at += timedelta(minutes=1)
    return records


@pytest.mark.parametrize(
    ("turns", "query", "expected"),
    [
        ((("user", OWN), ("assistant", EMPTY)), OWN, [False, True]),
        ((("user", OWN), None, ("assistant", EMPTY)), OWN, [False, False]),
        ((("user", OWN), ("user", "No."), ("assistant", EMPTY)), OWN, [False, False, False]),
        ((("user", OWN), ("assistant", EMPTY)), "Who built our house?", [False, False]),
        ((("user", "How are you?"), ("assistant", EMPTY)), "How am I?", [False, False]),
        ((("user", CHEESE), ("assistant", PECORINO)), CHEESE, [False, False]),
    ],
)
def test_only_the_reply_to_this_question_counts(tmp_path, turns, query, expected):
    """Said soon after it, to the same words, about who asks."""
    with Memory(None, SQLiteStore(tmp_path / "m.db")) as memory:
        assert restatements(query, _said(memory, *turns)) == expected
