"""`Memory` over the real store and a model-free encoder."""

import json
import stat
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lmort_memory import Memory, Turn
from lmort_memory.errors import ImportFileError, RecordNotFoundError, SpaceMismatchError, StoreError
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder
from lmort_memory.types import Encoded, Source


@pytest.fixture
def memory(tmp_path):
    """A memory with an encoder, on an empty database."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "memory.db")) as memory:
        yield memory


def _texts(hits):
    return [hit.record.text for hit in hits]


def test_a_fact_is_recalled_after_reopening(memory, tmp_path):
    """What was added is found by a question about it, now and by the next process."""
    memory.add("My sister Ada keeps bees in Trondheim.")
    memory.add("The train to Bergen leaves at nine.")
    memory.close()
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "memory.db")) as again:
        [best, *_] = again.recall("Where does my sister live?")
        assert best.record.text == "My sister Ada keeps bees in Trondheim."
        assert best.rank == 1 and 0 < best.score <= 1
        assert best.scores.dense is not None and best.scores.bm25 is not None


def test_add_takes_texts_messages_turns_and_lists(memory):
    """Each form gives a Record, and a list of them a list, in order."""
    when = datetime(2024, 1, 2, tzinfo=UTC)
    one = memory.add("a text", session="s", metadata={"k": 1})
    assert (one.role, one.scope, one.session, one.metadata) == ("user", "default", "s", {"k": 1})
    message = {"role": "assistant", "content": "an answer", "created_at": "2024-01-02T00:00:00Z"}
    two, three = memory.add([message, Turn("a turn", scope="home")])
    assert (two.role, two.created_at, three.scope) == ("assistant", when, "home")
    assert memory.add([]) == []
    for wrong in ({"role": "user"}, {"content": "x", "colour": "red"}, {"content": 5}):
        with pytest.raises(ValueError, match="content"):
            memory.add(wrong)
    with pytest.raises(TypeError, match="int"):
        memory.add(5)


def test_without_an_encoder_words_alone_answer(tmp_path):
    """No model: adding and recalling work, and the vectors follow when there is one."""
    path = tmp_path / "memory.db"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add(["Ada keeps bees.", "Ole sells fish."])
        assert _texts(memory.recall("bees", mode="dense")) == ["Ada keeps bees."]
        assert memory.encode_pending() == 0 and memory.status().space is None
    with Memory(HashEncoder(), SQLiteStore(path)) as memory:
        assert memory.status().pending == 2
        assert memory.encode_pending() == 2
        assert memory.status().pending == 0
        assert memory.recall("bees", mode="dense")[0].scores.dense > 0.3


def test_vectors_that_are_known_already_are_taken(memory):
    """A chat's own vector is stored as it is, and a ready query vector is used as it is."""
    axis = np.eye(64, dtype=np.float32)[3]
    record = memory.add("from a chat", encoded=Encoded(axis[None], ((0, 11),)))
    [hit] = memory.recall("unrelated words", vector=axis, mode="dense", top_k=1)
    assert (hit.record, hit.score) == (record, pytest.approx(1.0, abs=1e-3))
    narrow = Encoded(np.eye(8, dtype=np.float32)[:1], ((0, 1),))
    with pytest.raises(SpaceMismatchError):
        memory.add("of another model", encoded=narrow)
    with pytest.raises(SpaceMismatchError):
        memory.recall("x", vector=np.ones(8, np.float32))
    assert [one.text for one in memory.records()] == ["from a chat"]


def test_scopes_never_leak(memory):
    """A recall sees its own scope only, unless it asks for all."""
    memory.add("secret of Ada: bees", scope="ada")
    memory.add("secret of Ole: bees", scope="ole")
    memory.add("no secret: bees")
    for mode in ("hybrid", "dense", "lexical"):
        assert _texts(memory.recall("secret bees", mode=mode)) == ["no secret: bees"]
        assert _texts(memory.recall("secret bees", mode=mode, scope="ada")) == [
            "secret of Ada: bees"
        ]
        assert len(memory.recall("secret bees", mode=mode, scope=None)) == 3


def test_every_filter_narrows(memory):
    """Session, role, time, metadata and exclusion each choose exactly."""
    day = datetime(2024, 1, 1, tzinfo=UTC)
    records = memory.add(
        [
            Turn("bees one", role="user", session="a", created_at=day, metadata={"n": 1}),
            Turn("bees two", role="note", session="a", created_at=day + timedelta(1)),
            Turn("bees three", role="user", session="b", created_at=day + timedelta(2)),
        ]
    )
    cases = [
        ({"session": "a"}, ["bees one", "bees two"]),
        ({"role": "user"}, ["bees one", "bees three"]),
        ({"since": day + timedelta(1)}, ["bees two", "bees three"]),
        ({"until": day + timedelta(1)}, ["bees one"]),
        ({"where": {"n": {"$gte": 1}}}, ["bees one"]),
        ({"exclude": [records[0].id]}, ["bees two", "bees three"]),
    ]
    for chosen, expected in cases:
        for mode in ("hybrid", "dense", "lexical"):
            assert sorted(_texts(memory.recall("bees", mode=mode, **chosen))) == sorted(expected)


def test_recall_options(memory):
    """min_score cuts, half_life ages, neighbours surround, explain completes, top_k bounds."""
    now = datetime.now(UTC)
    turns = [
        Turn(f"hour {i} of the bees", session="s", created_at=now - timedelta(days=9 - i))
        for i in range(9)
    ]
    memory.add(turns)
    assert len(memory.recall("bees", top_k=4)) == 4
    assert memory.recall("bees", min_score=1.01) == []
    newest = memory.recall("bees", half_life=timedelta(hours=6), top_k=1)[0]
    assert newest.record.text == "hour 8 of the bees" and newest.scores.recency < 0.2
    [hit] = memory.recall("hour 4", mode="lexical", neighbours=2, top_k=1)
    assert [r.text[:6] for r in hit.neighbours] == ["hour 2", "hour 3", "hour 5", "hour 6"]
    memory.add("nothing in common")
    for hit in memory.recall("hour", mode="lexical", explain=True):
        assert hit.scores.dense is not None
    assert len(memory.recall("bees", diversity=0.9)) == 10
    assert memory.recall("  ") == []
    for wrong in ({"top_k": 0}, {"neighbours": -1}, {"diversity": 2.0}):
        with pytest.raises(ValueError, match="got"):
            memory.recall("bees", **wrong)
    with pytest.raises(ValueError, match="time zone"):
        memory.recall("bees", since=datetime(2024, 1, 1))  # noqa: DTZ001 - naive on purpose


def test_an_answer_is_found_by_the_question_before_it(memory):
    """A turn with no word of the query comes up by its own question, and in no other mode."""
    memory.add(["Which island has the lighthouse?", "Runde, near the cliffs."], session="a")
    memory.add(["Something else.", "Quite another subject again."], session="b")
    asked = "Which island has the lighthouse?"
    hybrid = memory.recall(asked, top_k=9, explain=True)
    assert _texts(hybrid)[0] == "Runde, near the cliffs."
    assert asked in _texts(hybrid)[1:], "a stored question comes after what answers it"
    assert hybrid[0].scores.dense is not None, "explain tells what it has by itself"
    assert 0 < hybrid[1].score < hybrid[0].score <= 1
    assert _texts(memory.recall(asked, top_k=9, mode="lexical")) == [asked]
    dense = {hit.record.text: hit for hit in memory.recall(asked, top_k=9, mode="dense")}
    assert dense["Runde, near the cliffs."].score == dense["Runde, near the cliffs."].scores.dense


def test_add_many_streams_and_resumes(memory):
    """Items are stored as they come; after a break, the same call stores only the rest."""
    seen = []

    def items(limit):
        for i in range(300):
            if i == limit:
                raise KeyboardInterrupt
            yield f"item number {i}"

    with pytest.raises(KeyboardInterrupt):
        memory.add_many(items(200))
    stored = sum(1 for _ in memory.records())
    assert 128 <= stored <= 200
    new = memory.add_many(items(-1), progress=lambda done, total: seen.append((done, total)))
    assert new == 300 - stored and sum(1 for _ in memory.records()) == 300
    assert memory.status().pending == 0
    assert seen[:2] == [(64, None), (128, None)] and seen[-1] == (300, 300)


def test_update_reencodes_and_keeps_history(memory):
    """A changed text is found by its new words and meaning, and the old one is kept."""
    record = memory.add("Ada lives in Bergen", metadata={"k": 1})
    changed = memory.update(record.id, "Ada moved to Trondheim")
    assert changed.id == record.id and changed.metadata == {"k": 1}
    assert changed.updated_at > record.updated_at and changed.created_at == record.created_at
    assert [one.text for one in memory.history(record.id)] == [record.text, changed.text]
    assert memory.recall("Bergen", mode="lexical") == []
    assert memory.recall("moved to Trondheim", mode="dense")[0].score > 0.6
    assert memory.add("Ada moved to Trondheim").id == record.id
    memory.update(record.id, metadata={"k": 2})
    assert memory.get(record.id).metadata == {"k": 2} and memory.status().pending == 0
    with pytest.raises(RecordNotFoundError):
        memory.update("nobody", "x")


@pytest.mark.parametrize(
    "where",
    [{}, {"$and": []}, {"$not": {"$or": []}}, {"$or": [{}]}, {"topic": {"$nin": []}}],
    ids=str,
)
def test_a_condition_that_names_nothing_forgets_nothing(memory, where):
    """Conditions that look at no metadata would mean every record: they are refused."""
    memory.add(Turn("Ada keeps bees.", metadata={"topic": "bees"}))
    for more in ({}, {"session": None}, {"scope": "default"}):
        with pytest.raises(ValueError, match="matches every record"):
            memory.forget(where=where, **more)
    assert memory.status().store.records == 1
    assert memory.forget(where={"topic": "bees"}).records == 1


def test_forget_by_id_and_by_condition(memory):
    """Forgetting by id and by condition; without any condition it is refused."""
    one, two = memory.add(["bees one", Turn("bees two", source=Source("file:///a"))])
    memory.add("bees three", metadata={"topic": "x"})
    assert memory.forget(one.id).records == 1
    assert memory.forget(source="file:///a").records == 1
    assert memory.forget(where={"topic": "x"}).records == 1
    assert memory.recall("bees") == []
    with pytest.raises(RecordNotFoundError, match=two.id):
        memory.get(two.id)
    with pytest.raises(ValueError, match="everything"):
        memory.forget()
    with pytest.raises(ValueError, match="everything"):
        memory.forget(exclude=[two.id])
    assert memory.forget([]).records == 0


def test_a_change_of_model_loses_nothing(tmp_path):
    """With a new encoder, old records answer by words and old vectors until all are new."""
    path = tmp_path / "memory.db"
    old, new = HashEncoder(32, name="old"), HashEncoder(48, name="new")
    with Memory(old, SQLiteStore(path)) as memory:
        memory.add([f"bees number {i}" for i in range(70)])
        assert memory.notice is None
    with Memory(new, SQLiteStore(path)) as memory:
        assert "tuner: 70, found by words alone; run: lmort-mem reencode" in memory.notice
        assert _texts(memory.recall("number 33"))[0] == "bees number 33"
        assert memory.recall("number 33", mode="dense") == []
    with Memory(new, SQLiteStore(path), previous=[old]) as memory:
        assert memory.notice is None, "both are searched"
        latest = memory.add("bees number 99")
        for text in ("bees number 33", latest.text):
            assert text in _texts(memory.recall(text, mode="dense"))[:2]  # first of its space
        assert memory.reencode(drop_old=True) == 70
        assert [space.name for space in memory.store.spaces()] == [new.space]
        memory.add("bees that wait", defer=True)
        assert memory.notice is None
        assert _texts(memory.recall("bees number 33", mode="dense"))[0] == "bees number 33"


def test_an_explained_cosine_is_that_of_the_current_space(tmp_path):
    """While two spaces are searched, a record that ranks low in both is compared in the new one."""
    old, new = HashEncoder(256, name="old"), HashEncoder(1024, name="new")
    asked, text = "bees honeycomb", "bees honeycomb " + " ".join(f"w{i}" for i in range(40))
    with Memory(new, SQLiteStore(tmp_path / "memory.db"), previous=[old]) as memory:
        memory.add([text, *(f"bees {i}" for i in range(120))])
        records = list(memory.records())
        memory.store.put_vectors(old.space, records, old.encode([one.text for one in records]))
        memory.add("ants that wait", defer=True)
        [low] = [hit for hit in memory.recall(asked, explain=True) if hit.record.text == text]
    assert low.scores.dense_rank is None
    [encoded] = new.encode([text])
    cosine = float(encoded.vectors[0] @ new.encode_query(asked))
    assert low.scores.dense == pytest.approx(cosine, abs=1e-3)


def test_encoding_in_the_background(tmp_path):
    """Vectors are made while the memory answers, and closing it waits for one batch only."""
    path = tmp_path / "memory.db"
    with Memory(None, SQLiteStore(path)) as memory:
        memory.add([f"bees number {i}" for i in range(150)])
    with Memory(HashEncoder(), SQLiteStore(path)) as memory:
        memory.encode_in_background()
        assert memory.recall("number 33")[0].record.text == "bees number 33"
        memory._encoding._worker.join()
        assert memory.status().pending == 0 and memory.notice is None


class _Paused(SQLiteStore):
    """A store whose worker waits once, after it has found nothing more to do."""

    def __init__(self, path):
        super().__init__(path)
        self.found_nothing, self.go_on = threading.Event(), threading.Event()

    def pending(self, *args, **conditions):
        found = super().pending(*args, **conditions)
        if not found and not self.found_nothing.is_set():
            self.found_nothing.set()
            self.go_on.wait(10)
        return found


def test_what_is_left_while_the_background_ends_is_not_left_behind(tmp_path):
    """Whoever asks for vectors when the last query was made already gets them too."""
    store = _Paused(tmp_path / "memory.db")
    with Memory(HashEncoder(), store) as memory:
        memory.add("bees that wait", defer=True)
        memory.encode_in_background()
        assert store.found_nothing.wait(10)
        memory.add("bees that came late", defer=True)
        memory.encode_in_background()
        store.go_on.set()
        memory._encoding._worker.join()
        assert memory.status().pending == 0


def test_a_memory_that_cannot_be_opened_leaves_nothing_open(tmp_path, monkeypatch):
    """Neither the model nor the database, whichever step fails."""
    opened = []
    close = SQLiteStore.close

    def closing(self):
        opened.remove(self)
        close(self)

    def failing(self):
        opened.append(self)
        raise StoreError("the disk is gone")

    monkeypatch.setattr(SQLiteStore, "sweep", failing)
    monkeypatch.setattr(SQLiteStore, "close", closing)
    with pytest.raises(StoreError, match="the disk is gone"):
        Memory.open(tmp_path / "memory.db")
    assert not opened


def test_export_brings_everything_back(memory, tmp_path):
    """Every field of every record survives, vectors too, and a second restore adds nothing."""
    when = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    memory.add("plain ☃ \u2028 text")
    memory.add(
        Turn(
            "full",
            role="note",
            scope="home",
            session="s",
            created_at=when,
            metadata={"a": [1, 2.5, None, {"b": "ü"}]},
            source=Source("file:///x", 1, 5),
            expires_at=when + timedelta(days=36500),
        )
    )
    changed = memory.update(next(memory.records()).id, "plain but changed")
    assert memory.export(tmp_path / "out.jsonl", vectors=True) == 2
    assert stat.S_IMODE((tmp_path / "out.jsonl").stat().st_mode) == 0o600
    with pytest.raises(StoreError, match=r"out\.jsonl"):
        memory.export(tmp_path / "out.jsonl")
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "other.db")) as other:
        assert other.restore(tmp_path / "out.jsonl") == 2
        assert other.restore(tmp_path / "out.jsonl") == 0
        assert list(other.records()) == list(memory.records())
        assert other.status().pending == 0
        query = {"query": "changed", "mode": "dense", "scope": None}
        assert other.recall(**query)[0].score == memory.recall(**query)[0].score
        assert other.add("plain but changed").id == changed.id


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "not json", '{"id": 5}', json.dumps({"text": "a", "id": "b"}), "\xff"]
)
def test_a_file_that_is_no_export_is_refused(memory, tmp_path, line):
    """A foreign line is an ImportFileError that names file and line, and stores nothing."""
    path = tmp_path / "wrong.jsonl"
    path.write_bytes(b"\n" + line.encode("latin-1") + b"\n")
    if line == "":
        assert memory.restore(path) == 0
    else:
        with pytest.raises(ImportFileError, match=r"wrong\.jsonl"):
            memory.restore(path)
    assert list(memory.records()) == []


def test_open_without_a_model(tmp_path, monkeypatch):
    """`with_model=False` opens the default database without loading anything."""
    monkeypatch.setenv("LMORT_DB", str(tmp_path / "named" / "memory.db"))
    with Memory.open(with_model=False) as memory:
        memory.add("bees")
        assert memory.backbone is None and memory.encoder is None
        assert memory.status().store.path == tmp_path / "named" / "memory.db"


def test_a_wrong_database_is_refused_before_the_model_is_loaded(tmp_path):
    """The database is looked at first: the model that does not exist is never missed."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 20)
    with pytest.raises(StoreError, match="not a SQLite database"):
        Memory.open(path, model=tmp_path / "missing.gguf")


def test_a_missing_model_creates_no_database(tmp_path):
    """When the model cannot be loaded, nothing is written."""
    from lmort_memory.errors import BackboneError

    with pytest.raises(BackboneError):
        Memory.open(tmp_path / "memory.db", model=tmp_path / "missing.gguf")
    assert list(tmp_path.iterdir()) == []


def test_a_question_finds_what_its_speaker_said(memory):
    """Of two turns alike, the one by the person that the question names."""
    for name in ("Anna", "Ben"):
        memory.add(
            Turn(
                f"{name}: The trip to Skye was wet, we saw seals and {name} lost a boot",
                role="message",
                session="chat",
                metadata={"author": name},
            )
        )
    for name in ("Ben", "Anna"):
        [hit, other] = memory.recall(f"What did {name} say about the trip?", explain=True)
        assert hit.record.metadata["author"] == name
        assert hit.scores.boost > other.scores.boost
    [by_meaning, _] = memory.recall("What did Ben say about the trip?", mode="dense")
    assert by_meaning.scores.boost is None


def test_notes_for_another_prompt_tell_what_held_before(memory):
    """As those of a chat do."""
    from lmort_memory.adapters.notes import NotesOptions, notes_for

    old = memory.add("The boat to the island leaves at nine.")
    new = memory.add("The boat to the island leaves at ten.")
    memory.supersede(old, new)
    notes = notes_for(
        memory, "When does the boat to the island leave?", options=NotesOptions(min_likelihood=0)
    )
    assert "leaves at ten." in notes.text
    assert "Earlier: The boat to the island leaves at nine." in notes.text
    assert [record.id for record in notes.memories[0].earlier] == [old.id]


@pytest.mark.parametrize("with_model", [True, False])
def test_a_short_correction_is_found_by_what_it_replaced(memory, tmp_path, with_model):
    """Through two corrections too, by words alone too; unless the first is asked for."""
    texts = ["The ferry to the island leaves at nine.", "Moved to ten.", "half past eleven"]
    question = "When does the ferry to the island leave?"
    with Memory(memory.encoder if with_model else None, SQLiteStore(tmp_path / "m.db")) as store:
        store.add_many(["The island has a lighthouse.", "We own a boat, not a ferry."])
        first, second, third = (store.add(text) for text in texts)
        store.supersede(first, second)
        store.supersede(second, third)
        (hit, *rest) = store.recall(question)
        assert hit.record.id == third.id
        assert not {first.id, second.id} & {one.record.id for one in rest}
        assert hit.span in (None, (0, len(third.text)))
        every = store.recall(question, include_superseded=True)
        assert every[0].record.id == first.id
        assert store.recall(question, exclude=[third.id])[0].record.id != third.id
        shown = store.recall(question, exclude=[first.id, second.id])
        assert shown[0].record.id == third.id, "though a prompt shows what it replaced"
        store.forget(ids=[first.id])
        assert third.id not in [one.record.id for one in store.recall("ferry leaves nine")[:1]]
