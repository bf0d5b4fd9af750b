"""Token codes: kept beside their vectors, and gone with them."""

import sqlite3

import numpy as np
import pytest

from lmort_memory import Memory
from lmort_memory.errors import SpaceMismatchError
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.testing import HashEncoder
from lmort_memory.types import Encoded, TokenCodes, Turn

ENCODER = HashEncoder(64, chunk=4, tokens=True)
SPACE = ENCODER.space
LONG = "Ada keeps nine hives of bees behind the old mill in Trondheim"


@pytest.fixture
def path(tmp_path):
    """Where the database is."""
    return tmp_path / "memory.db"


@pytest.fixture
def store(path):
    """An empty store."""
    with SQLiteStore(path) as store:
        yield store


def _add(store, *texts):
    encoded = ENCODER.encode(list(texts))
    stored = store.add([Turn(text) for text in texts], space=SPACE, encoded=encoded)
    return [one.record for one in stored], encoded


def test_codes_come_back_by_chunk(store):
    """What was stored is read with the vectors, chunk by chunk."""
    (record,), (encoded,) = _add(store, LONG)
    found = store.vectors(SPACE, [record.id])[record.id].tokens
    assert found.kind == ENCODER.token_kind
    assert len(found.chunks) == len(encoded.spans) > 1
    for one, expected in zip(found.chunks, encoded.tokens.chunks, strict=True):
        assert np.array_equal(one, expected)
    assert store.status().token_bytes == sum(chunk.nbytes for chunk in encoded.tokens.chunks)


def test_forgotten_codes_leave_no_byte(store, path):
    """After a forget neither the file nor its log holds the codes."""
    (gone, _), (encoded, _) = _add(store, LONG, "something else stays")
    needle = encoded.tokens.chunks[0].tobytes()
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM token_codes WHERE codes = ?", (needle,)).fetchone()
    assert store.forget(Filter(ids=(gone.id,))).verified
    for file in path.parent.glob("memory.db*"):
        if file.is_file():
            assert needle not in file.read_bytes(), file.name


def test_codes_go_with_a_changed_text_and_with_a_dropped_space(store):
    """A new text has lost the codes of the old one; a space takes its codes along."""
    (record, _), _ = _add(store, LONG, "another")
    store.update(record.id, Turn("Ada sold the hives"))
    assert record.id not in store.vectors(SPACE, [record.id])
    store.drop_space(SPACE)
    assert store.status().token_bytes == 0
    assert store.verify().ok


def test_what_lacks_codes_gets_them_and_keeps_its_vectors(store):
    """Records stored without codes are named, and filling them in adds nothing else."""
    plain = HashEncoder(64, chunk=4)
    store.add([Turn(LONG)], space=SPACE, encoded=plain.encode([LONG]))
    (record,) = store.lacking_tokens(SPACE, ENCODER.token_kind, limit=5)
    before = store.spaces()
    assert store.put_vectors(SPACE, [record], ENCODER.encode([LONG])) == 0, "no new vectors"
    assert store.spaces() == before
    assert store.vectors(SPACE, [record.id])[record.id].tokens is not None
    assert store.lacking_tokens(SPACE, ENCODER.token_kind, limit=5) == []
    assert store.lacking_tokens(SPACE, "another kind", limit=5) == [record]


def test_codes_are_read_without_vectors(store):
    """The same codes as with them; a record with a chunk that has none is left out."""
    (long, other), _ = _add(store, LONG, "another")
    ids = [long.id, other.id]
    found = store.token_codes(SPACE, [*ids, "unknown"])
    assert set(found) == set(ids)
    for id_, one in store.vectors(SPACE, ids).items():
        assert found[id_].kind == one.tokens.kind
        assert len(found[id_].chunks) == len(one.tokens.chunks)
        for codes, expected in zip(found[id_].chunks, one.tokens.chunks, strict=True):
            np.testing.assert_array_equal(codes, expected)
    assert len(found[long.id].chunks) > 1
    with store._database.write("damage") as connection:
        connection.execute(
            "DELETE FROM token_codes WHERE v = (SELECT max(v) FROM vectors JOIN records USING (n)"
            " WHERE id = ?)",
            (long.id,),
        )
    assert set(store.token_codes(SPACE, ids)) == {other.id}
    assert store.token_codes("elsewhere", ids) == {}


def test_codes_of_another_width_are_refused(store):
    """A kind of codes has one width, and every chunk has codes or none has."""
    _add(store, LONG)
    (one,) = ENCODER.encode(["a few words"])
    wide = TokenCodes(ENCODER.token_kind, (np.zeros((2, 9), np.uint8),))
    with pytest.raises(SpaceMismatchError, match="9 bytes"):
        store.add([Turn("a")], space=SPACE, encoded=[Encoded(one.vectors, one.spans, wide)])
    short = TokenCodes(ENCODER.token_kind, ())
    with pytest.raises(ValueError, match="1 chunks; found 0"):
        store.add([Turn("b")], space=SPACE, encoded=[Encoded(one.vectors, one.spans, short)])


def test_cut_codes_are_damage(store, path):
    """`verify` sees codes that are not a whole number of tokens."""
    _add(store, LONG)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE token_codes SET codes = substr(codes, 2)")
    raw.close()
    (problem,) = store.verify().problems
    assert "token codes" in problem


def test_export_carries_codes(tmp_path):
    """Records exported with vectors come back with their codes."""
    with Memory(ENCODER, SQLiteStore(tmp_path / "a.db")) as memory:
        record = memory.add(LONG)
        memory.export(tmp_path / "all.jsonl", vectors=True)
        expected = memory.store.vectors(SPACE, [record.id])[record.id].tokens
    with Memory(ENCODER, SQLiteStore(tmp_path / "b.db")) as memory:
        memory.restore(tmp_path / "all.jsonl")
        found = memory.store.vectors(SPACE, [record.id])[record.id].tokens
    assert found.kind == expected.kind
    assert all(map(np.array_equal, found.chunks, expected.chunks))


def test_switched_off_and_on_again(tmp_path):
    """`reencode` brings what is stored into line with what is wanted."""
    plain = HashEncoder(64, chunk=4)
    with Memory(ENCODER, SQLiteStore(tmp_path / "a.db")) as memory:
        memory.add([LONG, "something else"])
    with Memory(plain, SQLiteStore(tmp_path / "a.db")) as memory:
        assert memory.recall("hives", explain=True)[0].scores.tokens is None
        memory.reencode()
        assert memory.status().store.token_bytes == 0
    with Memory(ENCODER, SQLiteStore(tmp_path / "a.db")) as memory:
        assert memory.reencode() == 2
        (best, *_) = memory.recall("nine hives", explain=True)
        assert best.scores.tokens > 0.7 and best.scores.tokens_weight > 0
        (dense, *_) = memory.recall("nine hives", mode="dense")
        assert dense.scores.tokens == best.scores.tokens
        assert not memory.recall("nine hives", mode="lexical")[0].scores.tokens
