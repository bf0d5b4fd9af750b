"""A stored question is no answer to the same question."""

from datetime import UTC, datetime, timedelta

import pytest

from lmort_memory import Memory
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
