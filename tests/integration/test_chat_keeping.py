"""How the turns of a chat are kept: as records, or as links to what they repeat."""

import pytest

from lmort_memory import Chat, ChatOptions, Memory, Sampling
from lmort_memory.chat.keeping import Keeper
from lmort_memory.chat.resume import said_in
from lmort_memory.store import SQLiteStore
from lmort_memory.types import DEFAULT_SCOPE
from tests.support.tiny_chat import write_pair

OPTIONS = ChatOptions(
    system="Be brief.", n_ctx=1024, max_tokens=12, min_likelihood=0, sampling=Sampling(seed=1)
)
HOTEL = "We booked Casa Amapola in Llanes for the week of 4 July, the booking reference is KX7720."
SECRET = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Paths of a tiny model and its tuner."""
    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture
def memory(pair, tmp_path):
    """An empty memory over the tiny model."""
    with Memory.open(tmp_path / "memory.db", model=pair[0], tuner=pair[1]) as opened:
        yield opened


@pytest.fixture
def bare(tmp_path):
    """A memory without a model that redacts."""
    with Memory(None, SQLiteStore(tmp_path / "bare.db"), redact=True) as opened:
        yield opened


@pytest.mark.parametrize(
    ("reply", "given_again"),
    [("Casa Amapola in Llanes.", True), (HOTEL, False)],
    ids=["a part", "the whole"],
)
def test_a_reply_that_quotes_a_part_of_a_note_does_not_hide_it(memory, reply, given_again):
    """The next question gets the note again; what is in view whole is not given twice."""
    hotel = memory.add(HOTEL)
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        first = chat.say("Where did we book for July?", reply=reply)
        list(first)
        assert [repeat.role for repeat in first.ledger.repeats] == ["assistant"]
        second = chat.say("and the booking reference?", reply="One moment.")
        list(second)
        assert (hotel.id in [one.record.id for one in second.memories]) is given_again
        chat.save()
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        third = chat.say("what was the reference of the booking?", reply="One moment.")
        list(third)
        assert (hotel.id in [one.record.id for one in third.memories]) is given_again


def test_what_a_reply_repeats_can_be_forgotten(memory):
    """Though it only quotes a part: the conversation shows nothing of it any more."""
    hotel = memory.add(HOTEL)
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        list(chat.say("Where did we book for July?", reply="Casa Amapola in Llanes."))
        assert hotel.id in chat._window.record_ids
        chat.forget(hotel.id)
        assert hotel.id not in chat._window.record_ids


def test_a_secret_beside_a_repetition_is_redacted(bare):
    """What a turn adds to what it repeats is in the ledger, not in a record."""
    keeper = Keeper(bare)
    told = bare.add("The backup of the server runs every night and takes two hours to finish.")
    keeper.begin_with([told.id])
    kept = keeper.keep(
        "assistant",
        f"{told.text} {SECRET}",
        None,
        scope=DEFAULT_SCOPE,
        session="s",
        remember=True,
        metadata={},
    )
    assert kept.repeat is not None
    assert SECRET not in repr(kept)


def test_links_fit_what_is_stored(bare):
    """A turn is compared with the redacted texts, whose letters have other places."""
    keeper = Keeper(bare)
    place = {"scope": DEFAULT_SCOPE, "session": "s", "remember": True, "metadata": {}}
    text = f"My token is {SECRET}, and the backup runs every night at nine."
    first = keeper.keep("user", text, None, **place)
    assert SECRET not in first.record.text
    again = keeper.keep("assistant", text, None, **place)
    assert again.repeat is not None
    texts = {first.record.id: first.record.text}
    said = [part if isinstance(part, str) else texts[part.record_id][part.start : part.end]
            for part in again.repeat.parts]  # fmt: skip
    assert "".join(said).strip(" .") == first.record.text.strip(" .")


def test_an_export_holds_the_turns_that_are_links(memory, tmp_path):
    """All of them without a scope; with one, those whose records are its own."""
    with Chat(memory, session="trip", options=OPTIONS) as chat:
        list(chat.say(HOTEL, reply=HOTEL))
    said = [(one.role, one.text) for one in _said(memory)]
    assert said == [("user", HOTEL), ("assistant", HOTEL)]
    for number, scope in enumerate((None, DEFAULT_SCOPE)):
        path = tmp_path / f"{number}.jsonl"
        memory.export(path, scope=scope)
        with Memory(None, SQLiteStore(tmp_path / f"{number}.db")) as restored:
            restored.restore(path)
            assert [(one.role, one.text) for one in _said(restored)] == said
    memory.export(tmp_path / "other.jsonl", scope="other")
    assert HOTEL not in (tmp_path / "other.jsonl").read_text()


def _said(memory):
    return said_in(memory.store, scope=DEFAULT_SCOPE, session="trip")
