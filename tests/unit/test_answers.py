"""In talk an answer is found by the question before it."""

from dataclasses import replace

import pytest

from lmort_memory import Memory, Turn
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder

OTHERS = [
    f"{who} {what} the {thing}."
    for who in ("Ada", "Egil", "Mia", "Jonas")
    for what in ("painted", "sold", "repaired")
    for thing in ("boat", "shed", "piano")
]
ASKED = "Which airline flies to Lisbon?"


@pytest.fixture
def memory(tmp_path):
    """A store of unrelated facts."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "m.db")) as opened:
        opened.add_many(OTHERS)
        yield opened


def ranks(memory, *said):
    """Store talk between Dana and Rui, ask, and return the rank of each turn."""
    turns = [Turn(text, role=who) for who, text in said]
    ids = [one.id for one in memory.add(turns, session="talk")]
    found = [hit.record.id for hit in memory.recall(ASKED, top_k=len(OTHERS))]
    return [found.index(id_) if id_ in found else None for id_ in ids]


def test_an_answer_follows_the_question_that_was_asked(memory):
    """It shares no word with what is asked, and comes right after the turn that does."""
    asked, answer = ranks(
        memory, ("Dana", "Which airline did you fly to Lisbon with?"), ("Rui", "TAP, it was late.")
    )
    assert {asked, answer} == {0, 1}


def test_a_statement_lends_nothing_to_the_next_turn(memory):
    """What is said after it is about something else."""
    told, after = ranks(
        memory, ("Dana", "I flew to Lisbon with another airline."), ("Rui", "Supper is ready.")
    )
    assert told == 0
    assert after is None or after > 3


def test_an_answer_to_the_assistant_is_likely(memory):
    """It says little by itself; together with its question it answers."""
    answer = "Rex, and he is seven."
    talk = Turn("Nice! What is your dog called?", role="assistant"), Turn(answer, role="user")
    memory.add(talk, session="chat")
    query = "What is my dog called?"
    hits = memory.recall(query, explain=True)
    assert hits[0].record.text == answer
    assert hits[0].asked is not None and hits[0].asked.record.text == talk[0].text
    assert hits[0].asked.scores.dense is not None
    likely, stored = memory.likelihoods(query, hits)
    assert max(likely) == likely[0]
    alone, without = memory.likelihoods(query, [replace(hit, asked=None) for hit in hits])
    assert likely[0] > 2 * alone[0] and stored > without


def test_a_reply_of_the_assistant_answers_nothing(memory):
    """It is made from what others told."""
    talk = Turn("Hm. What is my dog called?", role="user"), Turn("Bello.", role="assistant")
    memory.add(talk, session="chat")
    assert all(hit.asked is None for hit in memory.recall("What is my dog called?"))


def test_a_pasted_document_is_no_question(memory):
    """However many questions it contains."""
    paste = "Which airline flies to Lisbon? " * 60
    told, after = ranks(memory, ("Dana", paste), ("Rui", "Supper is ready."))
    assert told == 0
    assert after is None or after > 3
