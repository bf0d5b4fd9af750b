"""Forget: not one byte of it is left, also after a crash in the middle."""

import array
import sqlite3

import pytest

from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.deleting.forget import Purger
from lmort_memory.store.values import LedgerEntry, SourceState
from lmort_memory.testing import HashEncoder
from lmort_memory.types import Source, Turn

SECRET = "Zyxomma petiolatum flies at dusk over the Quibdoville marshes"
WORDS = [b"zyxomma", b"Zyxomma", b"petiolat", b"quibdovill", b"Quibdovill"]
LONG = SECRET + " among the reeds" * 700 + " until Quibdoville sleeps"
ENCODER = HashEncoder(16)


def _folder_holds(folder, *needles):
    """Return which byte strings stand anywhere in the files of a folder."""
    data = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    return [needle for needle in needles if any(needle in one for one in data)]


def _token_ids(text):
    """Stand for a chat's saved state: the ids of a byte-level tokenizer, 32 bits each."""
    return array.array("i", list(text.encode())).tobytes()


def _fill(store, texts):
    stored = store.add(
        [Turn(text, session="talk", metadata={"about": text[:20]}) for text in texts],
        space=ENCODER.space,
        encoded=ENCODER.encode(texts),
    )
    return [one.record for one in stored]


def _store_with_secret(folder):
    """A database whose secret has a history, a ledger, a saved state and many neighbours."""
    store = SQLiteStore(folder / "memory.db", graph_from=50)
    _fill(store, [f"an ordinary turn number {i} about weather" for i in range(120)])
    secret, changed = _fill(store, [LONG, SECRET])
    store.update(changed.id, Turn("something harmless", session="talk"))
    _fill(store, [f"a later turn number {i} about harvest" for i in range(120)])
    store.add_ledger(LedgerEntry("reply", "other", (secret.id,), {"note": SECRET}))
    for session in ("talk", "other", "apart"):
        path = store.state_path(session)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_token_ids(SECRET if session != "apart" else "nothing"))
    store.build_index()
    return store, (secret.id, changed.id)


@pytest.fixture(autouse=True)
def _save_small_graphs(monkeypatch):
    """Save graphs of a hundred vectors, as large stores save theirs."""
    monkeypatch.setattr("lmort_memory.store.vectors.refresh.SAVE_LEAST", 10)


def test_no_byte_is_left(tmp_path):
    """After forget no file holds the text, its words, its vector or its token ids."""
    store, ids = _store_with_secret(tmp_path)
    [vector] = ENCODER.encode([LONG])[:1]
    raw = vector.vectors[0].astype("<f2").tobytes()
    wide = vector.vectors[0].astype("<f2").astype("<f4").tobytes()
    needles = [SECRET.encode(), LONG.encode()[-40:], raw, wide, _token_ids(SECRET), *WORDS]
    before = _folder_holds(tmp_path, *needles)
    receipt = store.forget(Filter(ids=ids, expired=True))
    after = _folder_holds(tmp_path, *needles)
    found = store.lexical("Zyxomma Quibdoville", Filter(), limit=5)
    near = store.dense(ENCODER.space, ENCODER.encode_query(SECRET), Filter(), limit=300)
    rest, problems = len(list(store.records(Filter()))), store.verify().problems
    kept = store.state_path("apart").exists()
    store.close()
    assert len(before) >= 7, "the test must be able to fail"
    assert (receipt.records, receipt.history, receipt.ledger, receipt.states) == (2, 1, 1, 2)
    assert receipt.verified and after == [] and found == []
    assert (rest, problems, kept) == (240, (), True)
    assert not {match.id for match in near} & set(ids)


@pytest.mark.parametrize("step", ["_remove_states", "_clean_pages", "_vacuum"])
def test_a_crash_in_the_middle_is_finished_by_the_next_open(tmp_path, monkeypatch, step):
    """Wherever cleaning stops, the record is gone at once and every byte after the next open."""

    class PowerCut(BaseException):
        pass

    def cut(*_args):
        raise PowerCut

    store, ids = _store_with_secret(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Purger, step, cut)
        with pytest.raises(PowerCut):
            store.forget(Filter(ids=ids, expired=True))
    gone = store.get(ids)
    store.close()
    with SQLiteStore(tmp_path / "memory.db", graph_from=50) as again:
        assert gone == {} and again.get(ids) == {}
        assert _folder_holds(tmp_path, SECRET.encode(), _token_ids(SECRET), *WORDS) == []
        assert again.verify().ok


def test_a_reader_in_the_way_is_told_and_cleaned_up_later(tmp_path, monkeypatch):
    """While another process still reads old pages, the receipt does not claim to be clean."""
    monkeypatch.setattr("lmort_memory.store.connection.CHECKPOINT_S", 0.1)
    store, ids = _store_with_secret(tmp_path)
    reader = sqlite3.connect(tmp_path / "memory.db")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM records").fetchone()
    receipt = store.forget(Filter(ids=ids, expired=True))
    reader.close()
    store.compact()
    store.close()
    assert not receipt.verified
    assert _folder_holds(tmp_path, SECRET.encode(), *WORDS) == []


def test_a_source_that_is_forgotten_leaves_no_name(tmp_path):
    """With a source's last record goes what was known of the source."""
    with SQLiteStore(tmp_path / "memory.db") as store:
        for name in ("secret-diary.md", "notes.md"):
            state = SourceState(f"file:///{name}", "digest")
            turns = [Turn(f"in {name}", source=Source(state.uri, 0, 5))]
            store.replace_source(state, turns, scope="default")
        receipt = store.forget(Filter(source="file:///secret-diary.md"))
        assert receipt.records == 1
        assert [state.uri for state in store.sources(scope="default")] == ["file:///notes.md"]
        assert _folder_holds(tmp_path, b"secret-diary") == []


def test_everything_of_a_scope_is_forgotten_whatever_its_size(tmp_path):
    """A condition deletes all that it names, not a first page of it."""
    with SQLiteStore(tmp_path / "memory.db") as store:
        store.add([Turn(f"turn {i}", scope="gone") for i in range(2500)])
        kept = store.add([Turn("turn", scope="kept")])[0].record
        assert store.forget(Filter(scope="gone")).records == 2500
        assert list(store.records(Filter())) == [kept]


def test_a_large_file_shrinks_without_being_rewritten(tmp_path, monkeypatch):
    """Where rewriting would take long, free pages are given back, and not a byte is left."""
    monkeypatch.setattr("lmort_memory.store.deleting.forget.SMALL", 0)
    with SQLiteStore(tmp_path / "memory.db") as store:
        store.add([Turn(f"ordinary {i} " + "x" * 500) for i in range(400)])
        records = _fill(store, [f"{SECRET} {i} " + "y" * 9000 for i in range(20)])
        store.compact()
        before = store.path.stat().st_size
        monkeypatch.setattr(Purger, "_vacuum", None)  # it must do without
        assert store.forget(Filter(ids=tuple(record.id for record in records))).verified
        assert before - store.path.stat().st_size > 20 * 9000
        assert _folder_holds(tmp_path, SECRET.encode(), b"Quibdoville") == []
