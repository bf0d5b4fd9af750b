"""A chat in an event loop: it is never blocked, and what is cancelled ends in order."""

import asyncio
import threading
import time

import pytest

from lmort_memory import Chat, ChatOptions, Memory, Sampling
from tests.support.tiny_chat import write_pair

OPTIONS = ChatOptions(
    system="", n_ctx=2048, max_tokens=1500, memory_tokens=100, sampling=Sampling(temperature=0)
)


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    """A memory over a tiny model, shared by all tests."""
    folder = tmp_path_factory.mktemp("pair")
    model, tuner = write_pair(folder)
    with Memory.open(folder / "memory.db", model=model, tuner=tuner) as opened:
        yield opened


@pytest.fixture
def chat(memory):
    """A chat whose replies are long."""
    with Chat(memory, options=OPTIONS) as opened:
        yield opened


async def said(reply, most=None):
    """Collect a reply, or its first pieces."""
    pieces = []
    async for piece in reply:
        pieces.append(piece)
        if len(pieces) == most:
            break
    return "".join(pieces)


def test_the_loop_goes_on_while_the_model_talks(memory):
    """Other tasks run between the tokens of a reply, and the text is that of the plain chat."""
    short = ChatOptions(system="", n_ctx=512, max_tokens=40, memory_tokens=50, memories=0)
    ticks = []

    async def tick():
        while True:
            ticks.append(threading.get_ident())
            await asyncio.sleep(0)

    async def talk(chat):
        ticking = asyncio.create_task(tick())
        reply = await chat.say_async("Hello there.", reply=None)
        text = await said(reply)
        ticking.cancel()
        assert reply.ledger.complete
        return text, len(ticks)

    with Chat(memory, options=short) as chat:
        text, n = asyncio.run(talk(chat))
    assert n > 10
    assert set(ticks) == {threading.get_ident()}
    assert isinstance(text, str)


def test_a_cancelled_task_ends_the_reply_and_keeps_what_was_said(chat, memory):
    """Cancelling leaves no thread at work: the reply is stored as broken off, the chat goes on."""

    async def talk():
        reply = await chat.say_async("Tell me everything.")
        task = asyncio.create_task(said(reply))
        while not reply.text:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return reply

    reply = asyncio.run(talk())
    assert not reply.ledger.complete
    assert 0 < reply.ledger.reply_tokens < 1500
    assert memory.get(reply.ledger.reply_id).metadata == {"broken_off": True}
    assert list(chat.say("Next.", reply="Yes."))


def test_another_thread_can_cancel_and_close_a_reply(chat):
    """`cancel` lets the iterating thread come to its end; `close` waits for that."""
    reply = chat.say("Tell me everything else.")
    pieces = []
    thread = threading.Thread(target=lambda: pieces.extend(reply))
    thread.start()
    deadline = time.monotonic() + 60
    while not reply.text and time.monotonic() < deadline:
        time.sleep(0.001)
    reply.cancel()
    thread.join(60)
    assert not thread.is_alive()
    assert "".join(pieces) == reply.text
    assert not reply.ledger.complete
    reply.close()


def test_a_turn_that_never_fits_is_refused_in_a_task_too(chat):
    """Errors of the pass reach the task that waits for it."""
    with pytest.raises(ValueError, match="white space"):
        asyncio.run(chat.say_async("  "))
