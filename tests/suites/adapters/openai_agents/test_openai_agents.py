"""A session of the Agents SDK over a memory, beyond its owner's tests."""

import asyncio

import pytest
from agents.memory import Session
from agents.run_config import CallModelData, ModelInputData

from lmort_memory.adapters.openai_agents import MemorySession
from tests.support.pages import check_example

ITEMS = [
    {"role": "user", "content": "How cold is it in Trondheim?"},
    {"type": "reasoning", "id": "r", "summary": []},
    {"type": "function_call", "call_id": "c", "name": "cold", "arguments": '{"in": "Trondheim"}'},
    {"type": "function_call_output", "call_id": "c", "output": "minus four"},
    {"type": "item_of_a_later_version", "data": {"x": [1, 2]}},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Cold."}]},
]


def _notes(session, text, instructions=None):
    data = CallModelData(
        model_data=ModelInputData(
            input=[{"role": "user", "content": text}], instructions=instructions
        ),
        agent=None,
        context=None,
    )
    return asyncio.run(session.add_notes(data))


def test_the_page(tmp_path):
    """The page's example prints what the page says."""
    check_example("docs/adapters/openai_agents.md", tmp_path)


def test_every_kind_of_item_comes_back_exactly(memory):
    """Calls, results, reasoning and kinds that we do not know come back as they went in."""

    async def use():
        session = MemorySession("s", memory)
        assert isinstance(session, Session)
        await session.add_items(ITEMS)
        assert await session.get_items() == ITEMS
        assert await session.get_items(2) == ITEMS[-2:]
        assert await session.get_items(0) == []
        assert await session.pop_item() == ITEMS[-1]
        await session.clear_session()
        assert await session.pop_item() is None

    asyncio.run(use())
    assert list(memory.records()) == []


def test_what_tools_returned_is_recalled(memory):
    """The result of a tool is found by its words."""
    asyncio.run(MemorySession("s", memory).add_items(ITEMS))
    assert memory.recall("minus four")[0].record.role == "tool"


def test_notes_come_from_beyond_the_window(memory):
    """What the limit shows is not a note, what it cut off is one, and small talk gets none."""
    session = MemorySession("s", memory, session_settings={"limit": 1})
    asyncio.run(
        session.add_items(
            [
                {"role": "user", "content": "My sister keeps bees in Trondheim."},
                {"role": "user", "content": "The bees of my sister are calm."},
            ]
        )
    )
    notes = _notes(session, "Where does my sister keep bees?", "Be brief.").instructions
    assert notes.startswith("Be brief.\n\nNotes from memory, newest first:\n- ")
    assert "Trondheim" in notes and "calm" not in notes
    assert _notes(session, "Thanks, bye!", "Be brief.").instructions == "Be brief."
    other = MemorySession("t", memory, scope="elsewhere")
    assert _notes(other, "Where does my sister keep bees?").instructions is None


def test_an_item_that_is_no_json_stores_nothing(memory):
    """One bad item keeps the whole batch out."""
    session = MemorySession("s", memory)
    with pytest.raises(ValueError, match="JSON"):
        asyncio.run(session.add_items([ITEMS[0], {"role": "user", "content": object()}]))
    assert list(memory.records()) == []
