"""Messages of every dialect come out the same."""

import pytest

from lmort_memory.messages import ChatMessage, ToolCall, read_messages, to_openai

CALL = ToolCall("c1", "weather", '{"city": "Bodø"}')
CONVERSATION = [
    ChatMessage("system", "Be brief."),
    ChatMessage("user", "Is it raining in Bodø?"),
    ChatMessage("assistant", "I will look.", tool_calls=(CALL,)),
    ChatMessage("tool", "yes", tool_call_id="c1"),
    ChatMessage("user", "And now?"),
]
OPENAI = [
    {"role": "developer", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Is it raining "},
            {"type": "text", "text": "in Bodø?"},
        ],
    },
    {
        "role": "assistant",
        "content": "I will look.",
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city": "Bodø"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "yes"},
    {"role": "user", "content": "And now?"},
]
RESPONSES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "input_text", "text": "Is it raining in Bodø?"}]},
    {"type": "reasoning", "summary": []},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "I will look."}],
    },
    {
        "type": "function_call",
        "call_id": "c1",
        "name": "weather",
        "arguments": '{"city": "Bodø"}',
    },
    {"type": "function_call_output", "call_id": "c1", "output": "yes"},
    {"role": "user", "content": "And now?"},
]
ANTHROPIC = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Is it raining in Bodø?"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "I will look."},
            {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Bodø"}},
        ],
    },
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "c1",
                "content": [{"type": "text", "text": "yes"}],
            },
            {"type": "text", "text": "And now?"},
        ],
    },
]


@pytest.mark.parametrize("dialect", [OPENAI, RESPONSES, ANTHROPIC])
def test_every_dialect_is_read_into_the_same_messages(dialect):
    """OpenAI's, the Agents SDK's and Anthropic's form of one conversation are one conversation."""
    assert read_messages(dialect) == CONVERSATION


def test_gemini_parts_are_read():
    """Gemini's parts carry text, calls and results."""
    call = {"functionCall": {"name": "weather", "args": {"city": "Bodø"}}}
    result = {"functionResponse": {"name": "weather", "response": {"rain": True}}}
    read = read_messages(
        [{"role": "model", "parts": [{"text": "Hm."}, call]}, {"role": "user", "parts": [result]}]
    )
    assert read == [
        ChatMessage("assistant", "Hm.", tool_calls=(ToolCall("", "weather", '{"city": "Bodø"}'),)),
        ChatMessage("tool", '{"rain": true}', name="weather"),
    ]


def test_what_is_written_is_read_again():
    """`to_openai` and `read_messages` are each other's inverse."""
    assert read_messages([to_openai(message) for message in CONVERSATION]) == CONVERSATION


def test_parts_without_text_are_refused_or_named():
    """An image is never dropped in silence."""
    message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
    with pytest.raises(ValueError, match="image_url"):
        read_messages(message)
    assert read_messages(message, strict=False) == [ChatMessage("user", "[image_url]")]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "narrator", "content": "x"},
        {"content": "x"},
        {"role": "user", "content": [7]},
        {"role": "user", "content": [{"type": "text", "text": 7}]},
        {"role": "assistant", "tool_calls": [{"id": "a"}]},
        {"role": "assistant", "content": "x", "tool_calls": 5},
        {"role": "assistant", "content": "x", "tool_calls": {"id": "c1"}},
        {"role": "user", "type": ["text"], "content": "x"},
        {"role": "user", "content": [{"type": {}, "text": "x"}]},
        7,
    ],
)
def test_malformed_messages_are_refused(message):
    """What is not a message is a ValueError, whatever its shape."""
    with pytest.raises(ValueError):
        read_messages([message])
