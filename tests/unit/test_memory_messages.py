"""Messages of other dialects, offered to `Memory.add`."""

import pytest

from lmort_memory import Memory
from lmort_memory.messages import said_text
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder


@pytest.fixture
def memory(tmp_path):
    """An empty memory with a tiny encoder."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "memory.db")) as memory:
        yield memory


def test_a_whole_conversation_with_tools_is_added(memory):
    """Words and results of tools are kept; calls, images and reasoning are left out and counted."""
    added = memory.add(
        [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "name": "ada",
                "content": [
                    {"type": "text", "text": "How cold is it in Trondheim?"},
                    {"type": "image_url", "image_url": {"url": "data:,"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "w", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "minus four"},
            {"type": "reasoning", "summary": []},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Minus four."}]},
        ],
        session="weather",
    )
    assert [(one.role, one.text) for one in added] == [
        ("system", "Be brief."),
        ("user", "How cold is it in Trondheim?"),
        ("tool", "minus four"),
        ("assistant", "Minus four."),
    ]
    assert added[1].metadata == {"name": "ada"}
    assert added[2].metadata == {"tool_call_id": "c1"}
    assert added.left_out == {"image_url": 1, "tool_call": 1, "reasoning": 1}
    assert {one.session for one in added} == {"weather"}


def test_our_own_fields_go_with_content_parts(memory):
    """Scope, session, metadata and time of a message hold, whatever form its content has."""
    record = memory.add(
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "The hive is calm."}],
            "scope": "bees",
            "metadata": {"topic": "hive"},
            "created_at": "2026-01-02T03:04:05+00:00",
        }
    )
    assert (record.scope, record.metadata, record.created_at.year) == (
        "bees",
        {"topic": "hive"},
        2026,
    )


def test_a_message_without_text_is_refused_alone(memory):
    """A single message that holds nothing to remember is an error that says what it holds."""
    call = {"id": "c", "function": {"name": "w", "arguments": "{}"}}
    with pytest.raises(ValueError, match="only 1 tool_call"):
        memory.add({"role": "assistant", "content": None, "tool_calls": [call]})
    with pytest.raises(ValueError, match="a message has role and content"):
        memory.add({"txt": "typo"})


def test_add_many_passes_over_what_has_no_text(memory):
    """A long conversation is stored whole though some of its messages only call tools."""
    call = {"id": "c", "function": {"name": "w", "arguments": "{}"}}
    said = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "user", "content": [{"type": "text", "text": "two"}]},
    ]
    assert memory.add_many(said) == 2


def test_the_words_of_anything_said():
    """A text, a message and content parts are the same words to a chat."""
    parts = [{"type": "text", "text": "Hello"}, {"type": "image_url", "image_url": {}}]
    assert said_text("Hello") == "Hello"
    assert said_text(parts) == "Hello"
    assert said_text({"role": "user", "content": parts}) == "Hello"
