"""A conversation that a client sends anew each time: evaluated once, stored once."""

import asyncio

import pytest

from lmort_memory import Memory, Sampling
from lmort_memory.chat import ChatOptions
from lmort_memory.chat.transcript import Asked
from lmort_memory.messages import ChatMessage
from lmort_memory.serve.conversations import Seats, session_of

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
