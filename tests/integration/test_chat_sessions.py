"""A conversation that is closed and goes on: state, turns, ledgers, and what is forgotten."""

import subprocess
import sys
from dataclasses import replace

import pytest

from lmort_memory import Chat, ChatOptions, Memory, Sampling, Turn
from lmort_memory.errors import RecordNotFoundError
from tests.support.tiny_chat import write_pair

OPTIONS = ChatOptions(
    system="Be brief.",
    n_ctx=1024,
    max_tokens=12,
    memory_tokens=300,
    min_likelihood=0,
    sampling=Sampling(temperature=0),
)
RESUME = """
import sys
from lmort_memory import Chat, ChatOptions, Memory, Sampling, Turn
from tests.integration.test_chat_sessions import OPTIONS
with Memory.open(sys.argv[1], model=sys.argv[2], tuner=sys.argv[3]) as memory:
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        print(chat.resumed, chat.tokens_evaluated, len(chat._window._sequence.tokens))
        list(chat.say("And what of it?", reply="Much."))
        print(chat.tokens_evaluated)
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Paths of a tiny model and its tuner."""
    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture
def database(tmp_path):
    """Where the memory is."""
    return tmp_path / "memory.db"


@pytest.fixture
def memory(pair, database):
    """An empty memory over the tiny model."""
    with Memory.open(database, model=pair[0], tuner=pair[1]) as opened:
        yield opened


def tell(chat, text, reply="I see, thank you."):
    """Say something that has a given answer; return the reply."""
    answer = chat.say(text, reply=reply)
    assert "".join(answer) == reply
    return answer


def test_another_process_goes_on_without_a_pass(pair, database):
    """Restored cells: nothing is evaluated until something new is said, and then only that."""
    with Memory.open(database, model=pair[0], tuner=pair[1]) as memory:
        with Chat(memory, session="trip", options=OPTIONS) as chat:
            tell(chat, "The tent has a hole near the door.")
            tell(chat, "We leave on Friday with the first ferry.")
            there = len(chat._window._sequence.tokens)
            assert chat.save()
        path = memory.store.state_path("trip")
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    command = [sys.executable, "-c", RESUME, database, *pair]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert out[:3] == ["restored", "0", str(there)]
    assert int(out[3]) < 60 < there


def test_without_a_state_the_latest_turns_are_evaluated_again(memory):
    """The store has what was said; with the next turn it is in the context again, as it was."""
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        tell(chat, "The tent has a hole near the door.")
        tell(chat, "We leave on Friday.")
        before = chat._window.messages
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        assert chat.resumed == "evaluated again"
        assert chat._window.messages == before
        tell(chat, "What about the tent?")
        assert chat.tokens_evaluated == len(chat._window._sequence.tokens)
    with Chat(memory, session="other", options=OPTIONS) as chat:
        assert chat.resumed is None


def test_a_state_that_is_behind_the_store_is_not_used(memory):
    """Another process went on with the session: its turns are there, the old cells are not."""
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        tell(chat, "The tent has a hole.")
        chat.save()
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        assert chat.resumed == "restored"
        tell(chat, "The hole is mended.")
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        assert chat.resumed == "evaluated again"
        assert len(chat._window.messages) == 5
    with Chat(memory, session="trip", options=replace(OPTIONS, system="Be kind.")) as chat:
        assert chat.resumed == "evaluated again"


def test_only_as_much_comes_back_as_half_a_context_holds(memory):
    """A long session leaves room to go on; whole exchanges come back, the latest ones."""
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        for i in range(12):
            tell(chat, f"Stage {i} of the walk is as long as any other.")
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        messages = chat._window.messages[1:]
        tell(chat, "How long is the next stage?")
        assert len(chat._window._sequence.tokens) < 1024
    assert 2 <= len(messages) < 24
    assert messages[0].role == "user"


def test_ledgers_are_found_after_the_chat_is_gone(memory):
    """Why did you say that, a week later: memories, scores, tokens and times come back."""
    fact = memory.add("Ada keeps bees in Trondheim.")
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        asked = tell(chat, "Where does Ada keep bees?", reply="In Trondheim, it seems to me.")
        ledger = asked.ledger
    assert [one.record.id for one in ledger.memories] == [fact.id]
    with Chat(memory, options=OPTIONS) as chat:
        for id_ in (asked.turn.id, ledger.reply_id):
            found = chat.ledger(id_)
            assert found.memories[0].record == fact
            assert found.memories[0].scores.dense == pytest.approx(
                ledger.memories[0].scores.dense, abs=1e-5
            )
            assert found.notes_tokens == ledger.notes_tokens
            assert found.timings.prefill_s == pytest.approx(ledger.timings.prefill_s, abs=1e-5)
            assert found.likelihood == pytest.approx(ledger.likelihood, abs=1e-5)
        with pytest.raises(RecordNotFoundError):
            chat.ledger(fact.id)


def test_what_is_forgotten_is_in_no_ledger_state_or_window(memory):
    """Forgetting in a chat reaches its context, its saved state and the ledgers that name it."""
    fact = memory.add("The code of the gate is 4711.")
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        asked = tell(chat, "What is the code of the gate?", reply="I would rather not say it.")
        told = tell(chat, "My password is heather.")
        chat.save()
        path = memory.store.state_path("trip")
        receipt = chat.forget([fact.id, told.turn.id])
        assert (receipt.records, receipt.ledger, receipt.states) == (2, 2, 1)
        assert not path.exists()
        with pytest.raises(RecordNotFoundError):
            chat.ledger(asked.turn.id)
        said = memory.backbone.vocabulary.detokenize(chat._window._sequence.tokens)
        assert "heather" not in said
        assert "rather not say" in said
        tell(chat, "Let us go on.")
        chat.save()
    left = b"".join(file.read_bytes() for file in [memory.store.path, path])
    assert b"heather" not in left


def test_what_was_only_repeated_is_there_when_the_session_goes_on(memory):
    """A turn kept as links is part of the conversation, in its place, after reopening."""
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        tell(chat, "The tent has a hole near the door.", reply="That is bad news for us.")
        again = tell(chat, "Say it again.", reply="The tent has a hole near the door!")
        assert [repeat.id for repeat in again.ledger.repeats] == [again.ledger.reply_id]
        assert chat.ledger(again.ledger.reply_id).repeats == again.ledger.repeats
        tell(chat, "So it is.")
    assert len(list(memory.records(session="trip"))) == 5
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        said = memory.backbone.vocabulary.detokenize(
            token for message in chat._window.messages[1:] for token in message.tokens
        )
    assert said.count("The tent has a hole near the door") == 2


def test_a_conversation_with_itself_does_not_fill_the_store(memory):
    """Each reply is the next turn, and says what the notes say: that is kept as links."""
    options = replace(OPTIONS, system="", n_ctx=512, memory_tokens=200, memories=2)
    notes = [f"Bee {i} flew over the fjord." for i in range(3)]
    for note in notes:
        memory.add(note, defer=True)
    before = memory.status().store.records
    repeated = 0
    with Chat(memory, session="mirror", options=options) as chat:
        text = "Tell me about the bees."
        for i in range(30):
            reply = tell(chat, text, f"You said: {notes[i % 3]}" if i % 2 else notes[i % 3])
            text = reply.text
            repeated += len(reply.ledger.repeats)
    new = memory.status().store.records - before
    assert new + repeated == 60
    assert new < 6


def test_notes_that_stay_in_the_context_are_forgotten_there(memory):
    """A note is a place where a record is shown, also where notes are kept after their turn."""
    fact = memory.add("The code of the gate is 4711.")
    with Chat(memory, session="trip", options=replace(OPTIONS, old_notes="keep")) as chat:
        asked = tell(chat, "What is the code of the gate?", reply="I would rather not say it.")
        assert fact.id in [one.record.id for one in asked.memories]
        tell(chat, "Then let us talk about bees.")
        detokenize = memory.backbone.vocabulary.detokenize
        assert "4711" in detokenize(chat._window._sequence.tokens), "the test must be able to fail"
        chat.forget(fact.id)
        assert "4711" not in detokenize(chat._window._sequence.tokens)


def test_the_question_of_a_note_can_be_forgotten(memory):
    """The note says it, so forgetting it reaches context, ledger and file."""
    asked, _ = memory.add(
        [
            Turn("Which code opens the gate of the bakery?", role="assistant"),
            Turn("4711, since the summer.", role="user"),
        ],
        session="before",
    )
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        told = tell(chat, "Which code opens the gate of the bakery?")
        [given] = [one for one in told.memories if one.record.text.startswith("4711")]
        assert given.asked is not None and given.asked.id == asked.id
        kept = chat.ledger(told.turn.id).memories
        assert [one.asked.id for one in kept if one.asked] == [asked.id]
        assert chat.save()
        receipt = chat.forget(asked.id)
        assert (receipt.ledger, receipt.states) == (1, 1)
        assert "4711" not in memory.backbone.vocabulary.detokenize(chat._window._sequence.tokens)


@pytest.mark.parametrize("remember", [True, False])
def test_no_state_is_saved_that_a_forget_could_not_find(memory, remember):
    """Only ledgers lead from a note to the files that show it, and these turns have none."""
    memory.add("The code of the gate is 4711.")
    with Chat(memory, session="trip", options=replace(OPTIONS, remember=remember)) as chat:
        assert tell(chat, "What is the code of the gate?").memories
        assert chat.save() is remember
    assert memory.store.state_path("trip").exists() is remember


def test_what_a_correction_replaced_is_shown_too(memory):
    """A note says it, so a reply may repeat it, and forgetting it reaches context and file."""
    old = memory.add("The code of the gate is 4711.")
    new = memory.add("The code of the gate has been 8306 since the summer.")
    memory.supersede(old, new)
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        asked = tell(chat, "What is the code of the gate?", reply="The code of the gate is 4711.")
        [given] = [one for one in asked.memories if one.record.id == new.id]
        assert [one.id for one in given.earlier] == [old.id]
        assert [repeat.records for repeat in asked.ledger.repeats] == [(old.id,)]
        assert chat.ledger(asked.turn.id).memories[0].earlier[0].text == old.text
        assert chat.save()
        receipt = chat.forget(old.id)
        assert (receipt.ledger, receipt.states) == (1, 1)
        assert "4711" not in memory.backbone.vocabulary.detokenize(chat._window._sequence.tokens)
