"""Forgetting is honest about copies, and reaches a chat that another process has open."""

from lmort_memory import Chat, ChatOptions, Memory
from lmort_memory.store import Filter, SQLiteStore

SECRET = "The code of the garden gate is four seven one one."


def test_a_receipt_names_the_records_that_repeat_the_text(tmp_path):
    """A reply that quotes what is forgotten is named; forgetting it too leaves nothing."""
    with Memory(None, SQLiteStore(tmp_path / "m.db")) as memory:
        said = memory.add(SECRET)
        reply = memory.add({"role": "assistant", "content": f"You told me: {SECRET.lower()}"})
        memory.add("The garden is large, and the gate is green.")
        assert memory.store.quoting(Filter(ids=(said.id,))) == [reply.id]
        receipt = memory.forget(said.id)
        assert receipt.quoted_by == (reply.id,) and not receipt.verified
        receipt = memory.forget(reply.id)
        assert receipt.quoted_by == () and receipt.verified


def test_what_is_chosen_is_no_quotation(tmp_path):
    """Of many that repeat each other only those that stay are named, however many are chosen."""
    with Memory(None, SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add([f"{SECRET} {i}" for i in range(50)], session="codes")
        kept = memory.add(f"Once more: {SECRET}", session="other")
        assert memory.store.quoting(Filter(session="codes")) == [kept.id]


def test_earlier_versions_and_metadata_that_repeat_the_text_are_named(tmp_path):
    """Text that no search finds, since it was edited away or is metadata, is not denied."""
    path = tmp_path / "m.db"
    with Memory(None, SQLiteStore(path)) as memory:
        said = memory.add(SECRET)
        edited = memory.add(f"She wrote: {SECRET}")
        memory.update(edited.id, "She wrote something.")
        answer = memory.add("Thanks.", metadata={"reply_to": {"quote": f'"{SECRET}"'}})
        old = memory.add("Hello.", metadata={"quote": SECRET})
        memory.update(old.id, metadata={})
        memory.add("The garden is large.")
        quoting = {edited.id, answer.id, old.id}
        assert set(memory.store.quoting(Filter(ids=(said.id,)))) == quoting
        receipt = memory.forget(said.id)
        assert set(receipt.quoted_by) == quoting and not receipt.verified
        assert memory.forget(quoting).verified
    assert SECRET.encode() not in path.read_bytes()


def test_a_state_saved_after_a_forget_elsewhere_holds_nothing_of_it(tmp_path, pair):
    """A chat that was open while its session was forgotten saves no token of it."""
    options = ChatOptions(max_tokens=4, system="")
    path, (model, tuner) = tmp_path / "m.db", pair
    with (
        Memory.open(path, model=model, tuner=tuner) as memory,
        Memory.open(path, model=model, tuner=tuner) as other,
        Chat(memory, session="s", options=options) as chat,
    ):
        list(chat.say(SECRET))
        tokens = memory.backbone.prompts.tokenize(SECRET)
        ids = ", ".join(map(str, tokens[:12])).encode()
        assert chat.save()
        state = memory.store.state_path("s")
        assert ids in state.read_bytes(), "the test must be able to fail"
        other.forget(session="s")
        assert not state.exists()
        chat.save()
        assert not state.exists() or ids not in state.read_bytes()
        list(chat.say("And now?"))
        shown = chat._window._sequence.tokens
        assert not any(tuple(tokens[:12]) == tuple(shown[i : i + 12]) for i in range(len(shown)))
