"""A conversation that a client sends anew each time: evaluated once, stored once."""

import asyncio
import json
from dataclasses import replace

import pytest

from lmort_memory import Memory, Sampling
from lmort_memory.adapters.conversation import Conversation
from lmort_memory.chat import Chat, ChatOptions
from lmort_memory.chat.transcript import Asked, Transcript
from lmort_memory.messages import ChatMessage
from lmort_memory.serve.conversations import Seats, session_of
from lmort_memory.serve.tools import ToolReader, call_grammar, style_of
from tests.support.tiny_chat import write_pair

# Qwen's, in short: tools in the system prompt, calls in tags, results in a turn of the user's.
TOOLS = (
    "{% if tools %}<|im_start|>system\nTools: {{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% for m in messages %}{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>\n"
    "{{ m.content }}\n</tool_response><|im_end|>\n{% else %}<|im_start|>{{ m.role }}\n"
    '{{ m.content }}{% for c in m.tool_calls or [] %}\n<tool_call>\n{"name": '
    '{{ c.function.name | tojson }}, "arguments": {{ c.function.arguments | tojson }}}'
    "\n</tool_call>{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# One that insists, as Mistral's does, on calls before a tool's result.
STRICT = (
    "{% for m in messages %}{% if m.role == 'tool' and not messages[loop.index0 - 1].tool_calls %}"
    "{{ raise_exception('no call before this result') }}{% endif %}{% endfor %}"
) + TOOLS
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place. " * 8,
        "parameters": {
            "type": "object",
            "properties": {"place": {"enum": ["Bodø", "Trondheim"]}},
            "required": ["place"],
        },
    },
}
GREEDY = ChatOptions(max_tokens=12, sampling=Sampling(temperature=0), memories=2)


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    """A memory with the packaged model."""
    with Memory.open(tmp_path_factory.mktemp("served") / "m.db") as opened:
        yield opened


async def _in_place(job):
    return job()


def _seats(most=2):
    return Seats(most=most, n_ctx=1024, run=_in_place)


def _answer(seats, memory, messages, *, session="s", scope="default", **more):
    """Send a conversation; return its answer and the tokens evaluated for it, notes left out."""

    async def ask():
        asked = Asked(messages, scope, session, GREEDY, stores_earlier=True, **more)
        async with seats.borrow(memory, messages) as seat:
            reply = seat.begin(asked)
            said = "".join(reply)
            answer = ChatMessage("assistant", said)
            seat.end(reply, answer)
            ledger = reply.ledger
            return answer, ledger.evaluated_tokens - ledger.reply_tokens - ledger.notes_tokens

    return asyncio.run(ask())


def _user(text):
    return ChatMessage("user", text)


def test_only_what_is_new_is_evaluated(memory):
    """The second request evaluates its own turn and notes, not the conversation before it."""
    seats, said = _seats(), [ChatMessage("system", "Be brief. " * 20), _user("Bees swarm in May.")]
    answer, first = _answer(seats, memory, said, session="kv")
    said += [answer, _user("And in June?")]
    _, second = _answer(seats, memory, said, session="kv")
    asyncio.run(seats.close())
    assert first > 60
    assert second < 40


def test_two_conversations_keep_a_context_each(memory):
    """Another conversation in between costs the first one nothing."""
    seats = _seats()
    one = [_user("The hive by the fence is loud today.")]
    other = [_user("Rain is forecast for the whole week.")]
    one.append(_answer(seats, memory, one, session="one")[0])
    other.append(_answer(seats, memory, other, session="other")[0])
    _, evaluated = _answer(seats, memory, [*one, _user("Why?")], session="one")
    asyncio.run(seats.close())
    assert evaluated < 40
    assert seats.opened == 2


def test_a_conversation_is_stored_once(memory):
    """Sent again, also to a server that was started anew, no turn is stored a second time."""
    said = [_user("Ada has moved to Bodø."), ChatMessage("assistant", "Noted."), _user("Thanks!")]
    for _ in range(2):
        seats = _seats()
        _answer(seats, memory, said, session="once", scope="once")
        asyncio.run(seats.close())
    texts = [record.text for record in memory.records(scope="once") if record.role == "user"]
    assert texts == ["Ada has moved to Bodø.", "Thanks!"]


def test_an_edited_turn_is_a_new_one(memory):
    """A client that changes what was said gets an answer to what it says now."""
    seats = _seats()
    said = [_user("My cat is called Momo.")]
    said.append(_answer(seats, memory, said, session="edit", scope="edit")[0])
    _answer(seats, memory, [_user("My cat is called Nala.")], session="edit", scope="edit")
    asyncio.run(seats.close())
    texts = {record.text for record in memory.records(scope="edit")}
    assert {"My cat is called Momo.", "My cat is called Nala."} <= texts


def test_a_session_is_named_after_its_first_words():
    """Clients that name no session get the same one for the same beginning."""
    one = session_of([ChatMessage("system", "It is Monday."), _user("Hello.")])
    assert one == session_of([ChatMessage("system", "It is Tuesday."), _user("Hello.")])
    assert one != session_of([_user("Hello again.")])


def _call_and_answer(memory, template, session):
    """Have a tool called, send the call and its result back; return both evaluated counts."""
    style = style_of(template)
    options = replace(GREEDY, max_tokens=60, remember=lambda role, text: "<tool_call>" not in text)
    forced = replace(
        options, sampling=Sampling(temperature=0, grammar=call_grammar([WEATHER], style))
    )
    chat = Chat(memory, options=ChatOptions(n_ctx=1024, system="", template=template))
    transcript = Transcript(memory, chat)
    said = [_user("What is the weather in Bodø, where Ada lives?")]
    first = transcript.begin(Asked(said, session, session, forced, True, [WEATHER]))
    reader = ToolReader(style, ["weather"])
    text = "".join(reader.feed(piece) for piece in first)
    rest, calls = reader.finish()
    transcript.end(first, ChatMessage("assistant", text + rest, tool_calls=tuple(calls)))
    assert len(calls) == 1
    again = json.dumps(json.loads(calls[0].arguments), indent=1)  # as clients send it back
    said += [
        ChatMessage("assistant", "", tool_calls=(replace(calls[0], id="c1", arguments=again),)),
        ChatMessage("tool", "Snow, two degrees.", tool_call_id="c1"),
    ]
    assert transcript.match(said) == 2
    second = transcript.begin(Asked(said, session, session, options, True, [WEATHER]))
    answer = "".join(second)
    transcript.end(second, ChatMessage("assistant", answer))
    transcript.close()
    counts = [
        ledger.evaluated_tokens - ledger.reply_tokens - ledger.notes_tokens
        for ledger in (first.ledger, second.ledger)
    ]
    return counts, answer


def test_a_tool_call_keeps_its_prefix_and_is_stored_once(memory):
    """After a tool call only the result is evaluated, in the call's own tokens; turns stay one."""
    (first, second), answer = _call_and_answer(memory, TOOLS, "tools")
    assert first > 100
    assert second < 40
    texts = [record.text for record in memory.records(scope="tools")]
    assert texts[0] == "What is the weather in Bodø, where Ada lives?"
    assert texts[1:] in ([], [answer.strip()])  # an answer that only repeats is kept as links


def test_a_template_may_insist_on_calls_before_results(memory):
    """Where the model's own tokens are refused, the template writes the call: a little more."""
    (first, second), _ = _call_and_answer(memory, STRICT, "strict")
    assert second < first


def test_a_system_prompt_is_shown_where_the_template_has_no_place_for_it(memory):
    """It leads the first message, for seats and for chat-model adapters alike."""
    template = TOOLS.replace("{{ m.content }}", "{{ m.content }}", 1).replace(
        "{% for m in messages %}",
        "{% for m in messages %}{% if m.role == 'system' %}"
        "{{ raise_exception('no system role') }}{% endif %}",
        1,
    )
    options = replace(GREEDY, n_ctx=512, system="", template=template, remember=False, memories=0)
    lengths = []
    for system in ("", "Answer like a pirate who has never seen a bee."):
        conversation = Conversation(memory, options=options)
        asked = [ChatMessage("system", system)] if system else []
        reply = conversation.reply([*asked, _user("Hello there.")])
        list(reply)
        lengths.append(reply.finished.prompt_tokens)
        conversation.close()
    assert lengths[1] > lengths[0] + 8


def test_a_reply_that_nobody_reads_to_its_end_holds_up_no_other(memory):
    """The next reply of the same conversation comes, in the same thread; the first is whole."""
    options = replace(GREEDY, n_ctx=512, remember=False, memories=0)
    conversation = Conversation(memory, options=options)
    left = conversation.reply([_user("Count the hives.")])
    beginning = next(left)
    other = "".join(conversation.reply([_user("Name a month.")]))
    assert other
    assert beginning + "".join(left) == "".join(conversation.reply([_user("Count the hives.")]))
    conversation.close()


def test_an_adapter_shows_a_model_what_a_chat_would(memory):
    """The same question gets the same notes in the same place: the same prompt and reply."""
    memory.add("My sister Ada keeps bees in Trondheim.", scope="alike")
    question, replies = "Where does my sister keep bees?", []
    options = replace(GREEDY, n_ctx=512, remember=False)
    with Chat(memory, scope="alike", options=options) as chat:
        reply = chat.say(question)
        assert reply.memories
        replies.append(("".join(reply), reply.prompt_tokens))
    conversation = Conversation(memory, scope="alike", options=options)
    reply = conversation.reply([_user(question)])
    replies.append(("".join(reply), reply.finished.prompt_tokens))
    conversation.close()
    assert replies[0] == replies[1]


@pytest.mark.parametrize(("trained", "n_ctx"), [(4096, 512), (512, 4096)])
def test_a_reply_that_fills_its_half_of_the_context_stopped_short(tmp_path, trained, n_ctx):
    """It may have fewer tokens than were asked for, by the context or by the model's training."""
    model, tuner = write_pair(tmp_path, n_ctx=trained)
    options = replace(GREEDY, n_ctx=n_ctx, max_tokens=400, system="")
    with Memory.open(tmp_path / "m.db", model=model, tuner=tuner) as tiny:
        conversation = Conversation(tiny, options=options)
        reply = conversation.reply([_user("Count the hives.")])
        list(reply)
        conversation.close()
    assert reply.finished.reply_tokens == 256
    assert reply.finished.stopped_short


def test_each_reply_has_its_own_counts(memory):
    """They are there when it has ended, and another reply does not change them."""
    options = replace(GREEDY, n_ctx=512, remember=False, memories=0)
    conversation = Conversation(memory, options=options)
    first = conversation.reply([_user("Count the hives.")])
    with pytest.raises(RuntimeError, match="not finished"):
        _ = first.finished
    text = "".join(first)
    list(conversation.reply([_user("Name a month of the year, please, and then another one.")]))
    assert first.finished.text == text
    conversation.close()
