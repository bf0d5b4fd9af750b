"""A text of any length can be said: it is stored whole, and the model reads its best parts."""

import time

import pytest

from lmort_memory import Chat, ChatOptions, Memory, Sampling
from lmort_memory.chat.long_text import AT_ONCE
from tests.support.cli import Cli

OPTIONS = ChatOptions(
    n_ctx=512, max_tokens=8, memory_tokens=64, system="", sampling=Sampling(temperature=0)
)
FACT = "The code of the shed is 8306."


def opened(folder, pair):
    """Open a memory of the tiny model."""
    model, tuner = pair
    return Memory.open(folder / "m.db", model=model, tuner=tuner)


def wait_until(happened):
    """Wait until something has happened, a minute at most."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def pasted(n):
    """Return a question with a document of n sentences, and a fact in its middle."""
    lines = [f"Line {i} tells of the weather over the fjord." for i in range(n)]
    lines.insert(n // 2, FACT)
    return "What is the code of the shed?\n\n" + "\n".join(lines) + "\n\nPlease answer briefly."


@pytest.mark.parametrize("n", [40, 400])
def test_a_paste_longer_than_the_context_is_stored_whole(tmp_path, pair, n):
    """Nothing is refused or lost; the window keeps its size, the ledger says what was read."""
    text = pasted(n)
    with (
        Memory.open(tmp_path / "m.db", model=pair[0], tuner=pair[1]) as memory,
        Chat(memory, options=OPTIONS) as chat,
    ):
        reply = chat.say(text)
        list(reply)
        assert memory.get(reply.ledger.turn_id).text == text
        assert reply.ledger.unread_tokens == reply.unread_tokens > 0
        assert reply.ledger.user_tokens > OPTIONS.n_ctx
        assert chat.ledger().unread_tokens == reply.unread_tokens
        assert len(chat._window._sequence.tokens) <= OPTIONS.n_ctx
        shown = memory.backbone.vocabulary.detokenize(chat._window._sequence.tokens)
        assert "What is the code of the shed?" in shown and "answer briefly" in shown
        list(chat.say("And now?"))


def test_reading_a_long_paste_is_reported(tmp_path, pair):
    """Chunk by chunk: a book takes minutes."""
    told = []
    with (
        Memory.open(tmp_path / "m.db", model=pair[0], tuner=pair[1]) as memory,
        Chat(memory, options=OPTIONS) as chat,
    ):
        list(chat.say(pasted(100), progress=lambda done, total: told.append((done, total))))
        list(chat.say("A short text.", progress=lambda done, total: told.append((done, total))))
    total = told[0][1]
    assert told == [(done, total) for done in range(total + 1)] and total > 9


def test_of_a_book_only_what_may_matter_is_read_before_the_reply(tmp_path, pair):
    """Its vectors come after the reply, in the background; words find it before."""
    text, told = pasted(1000), []
    with (
        Memory.open(tmp_path / "m.db", model=pair[0], tuner=pair[1]) as memory,
        Chat(memory, options=OPTIONS) as chat,
    ):
        reply = chat.say(text, progress=lambda done, total: told.append((done, total)))
        assert max(done for done, _ in told) <= AT_ONCE
        assert memory.status().pending == 1
        shown = memory.backbone.vocabulary.detokenize(chat._window._sequence.tokens)
        assert FACT in shown
        assert [hit.record.text for hit in memory.recall("code of the shed 8306")] == [text]
        list(reply)
        wait_until(lambda: memory.status().pending == 0)


def test_closing_does_not_wait_for_the_vectors_of_a_book(tmp_path, pair):
    """They are made by `reencode`; nothing else is lost."""
    text = pasted(10_000)
    with opened(tmp_path, pair) as memory:
        record = memory.add(text, defer=True)
        before = memory.backbone.tokens_evaluated
        memory.encode_in_background()
        wait_until(lambda: memory.backbone.tokens_evaluated > before)
    with opened(tmp_path, pair) as memory:
        assert memory.status().pending == 1
        assert memory.get(record.id).text == text


def test_a_short_text_is_read_whole(tmp_path, pair):
    """What fits is read as it is."""
    with (
        Memory.open(tmp_path / "m.db", model=pair[0], tuner=pair[1]) as memory,
        Chat(memory, options=OPTIONS) as chat,
    ):
        reply = chat.say("Where is the shed?")
        list(reply)
        assert reply.ledger.unread_tokens == 0


def test_the_command_line_says_what_is_not_read(tiny, monkeypatch, capsys):
    """A person who pastes a book is told, and how to give it more room."""
    cli = Cli(monkeypatch, capsys)
    done = cli("chat", "--ctx", "512", "--max-tokens", "4", stdin="word " * 3000 + "\n")
    assert done.status == 0
    assert "were not read, but all of it is remembered; --ctx N" in done.out


@pytest.mark.parametrize(
    "limits",
    [("--max-tokens", "100000"), ("--ctx", "256", "--system", "Hi"), ("--ctx", "1" + "0" * 20)],
)
def test_limits_beyond_the_context_are_as_much_as_it_has(tiny, monkeypatch, capsys, limits):
    """A reply has at most half of the context, notes a quarter, and the model's own is the most."""
    cli = Cli(monkeypatch, capsys)
    cli("add", "Ada keeps bees.")
    done = cli("chat", *limits, "--stop", " ", stdin="Who keeps bees?\nHello.\n")
    assert done.status == 0, done.out
