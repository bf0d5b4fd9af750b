"""HNSW under a filter finds what a loop over all vectors finds; forgetting and maintenance."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lmort_memory import Memory
from lmort_memory.errors import PassphraseError, StoreError
from lmort_memory.store.postgres import nearest
from lmort_memory.store.values import Filter, LedgerEntry
from lmort_memory.testing import HashEncoder
from lmort_memory.types import Encoded, TokenCodes, Turn

SPACE, DIM, COUNT = "recall", 48, 3_000
SHARES = {"all": 1, "tenth": 10, "fiftieth": 50}


@pytest.fixture(scope="module")
def indexed(running):
    """Three thousand clustered vectors under an HNSW index."""
    rng = np.random.default_rng(5)
    centres = rng.standard_normal((30, DIM))
    drawn = centres[rng.integers(0, 30, COUNT)] + 0.8 * rng.standard_normal((COUNT, DIM))
    vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    store = running.open(graph_from=1_000)
    running.opened.remove(store)
    for start in range(0, COUNT, 500):
        places = range(start, start + 500)
        turns = [
            Turn(f"t{i}", metadata={name: i % n for name, n in SHARES.items()}) for i in places
        ]
        store.add(
            turns, space=SPACE, encoded=[Encoded(vectors[i][None], ((0, 1),)) for i in places]
        )
    store.build_index()
    yield store, vectors
    store.close()


@pytest.mark.parametrize("few", [nearest.FEW, 0])
@pytest.mark.parametrize("share", SHARES)
def test_filtered_recall(indexed, share, few, monkeypatch):
    """98 of 100 of the true nearest are found, however few pass, exactly or through the graph."""
    monkeypatch.setattr(nearest, "FEW", few)
    store, vectors = indexed
    assert store.spaces()[0].indexed == COUNT
    places = np.arange(0, COUNT, SHARES[share])
    rng = np.random.default_rng(6)
    hits = total = 0
    for _ in range(60):
        near = vectors[rng.integers(COUNT)] + 0.1 * rng.standard_normal(DIM)
        query = (near / np.linalg.norm(near)).astype(np.float32)
        best = places[np.argsort(-(vectors[places] @ query))[:10]]
        found = store.dense(SPACE, query, Filter(where={share: 0}), limit=10)
        assert [m.score for m in found] == sorted((m.score for m in found), reverse=True)
        texts = {record.text for record in store.get(m.id for m in found).values()}
        hits += len(texts & {f"t{i}" for i in best})
        total += 10
    assert hits / total >= 0.98


def test_the_index_is_used(indexed, running):
    """PostgreSQL's plan for a search in a large space walks through the HNSW index."""
    store, vectors = indexed
    seen = []

    def work(connection):
        real = connection.execute

        def explained(sql, values=None, **more):
            if "<#>" in sql and "+ 0" not in sql:
                seen.extend(row[0] for row in real(f"EXPLAIN {sql}", values).fetchall())
            return real(sql, values, **more)

        connection.execute = explained
        condition = ("TRUE", [])
        asked = f"[{','.join(map(str, vectors[0].tolist()))}]"
        s, dim = real("SELECT s, dim FROM spaces").fetchone()
        try:
            return nearest._near(connection, s, dim, asked, condition, 10)
        finally:
            del connection.execute

    assert len(store._server.read("test", work)) == 10
    assert any("vectors_hnsw_" in line for line in seen), seen


def test_a_filter_that_few_pass_is_exact(indexed):
    """Where an iterative scan gives up, everything that passes is ranked exactly."""
    store, vectors = indexed
    record = store.latest(Filter(), limit=COUNT)[1234]
    far = -vectors[0]
    where = {"all": 0, "tenth": record.metadata["tenth"], "fiftieth": record.metadata["fiftieth"]}
    found = store.dense(SPACE, far, Filter(where=where), limit=999)
    assert len(found) == COUNT // 50


def test_the_index_is_built_in_the_background(postgres):
    """A space that grew large gets its index without anybody asking."""
    store = postgres.open(graph_from=50)
    texts = [f"text {i}" for i in range(60)]
    store.add(list(map(Turn, texts)), space="s", encoded=HashEncoder(8).encode(texts))
    store.dense("s", HashEncoder(8).encode_query("text 1"), Filter(), limit=3)
    until = time.monotonic() + 60
    while not store.spaces()[0].indexed and time.monotonic() < until:
        time.sleep(0.05)
    assert store.spaces()[0].indexed == 60


def test_a_receipt_says_what_a_server_cannot_promise(postgres):
    """Rows are gone from every table, and logs, replicas and indexes are named."""
    store = postgres.open()
    schema = store._address.schema
    texts = ["Quibdoville keeps secret bees by the lake", "public ants"]
    stored = store.add(list(map(Turn, texts)), space="s", encoded=HashEncoder(8).encode(texts))
    secret = stored[0].record
    store.update(secret.id, Turn("Quibdoville keeps other bees by the lake"))
    store.add_ledger(LedgerEntry("r", "s", (secret.id,), {"text": "Quibdoville"}))
    receipt = store.forget(Filter(ids=(secret.id,)))
    assert (receipt.records, receipt.history, receipt.ledger) == (1, 1, 1)
    assert not receipt.verified
    said = " ".join(receipt.limits)
    assert all(word in said for word in ("write-ahead log", "replicas", "base backups", "gc"))
    for table in ("records", "history", "ledger", "words", "audit"):
        rows = postgres.run(f"SELECT t::text FROM {table} t", schema=schema)
        assert not [row for (row,) in rows if "quibdovil" in row.lower()], table
    store.compact()
    assert store.verify().ok


def test_records_that_lack_token_codes_are_named(postgres):
    """Records with vectors but no codes of a kind wait for them, and again once codes are gone."""
    store = postgres.open()
    texts = ["Ada keeps bees", "Bob keeps ants"]
    encoded = HashEncoder(8).encode(texts)
    codes = TokenCodes("kind", (np.ones((3, 4), np.uint8),))
    coded = replace(encoded[0], tokens=codes)
    stored = store.add(list(map(Turn, texts)), space="s", encoded=[coded, encoded[1]])
    store.add([Turn("no vector")])
    first, second = (one.record.id for one in stored)
    assert [r.id for r in store.lacking_tokens("s", "kind", limit=9)] == [second]
    assert [r.id for r in store.lacking_tokens("s", "other", limit=9)] == [first, second]
    found = store.token_codes("s", [first, second, "unknown"])
    assert set(found) == {first} and found[first].kind == "kind"
    np.testing.assert_array_equal(found[first].chunks[0], codes.chunks[0])
    assert store.drop_tokens("s") == 1
    assert store.token_codes("s", [first]) == {}
    assert [r.id for r in store.lacking_tokens("s", "kind", limit=9)] == [first, second]


def test_a_short_correction_is_found_by_what_it_replaced(postgres):
    """Through two corrections too, within the scope that is searched."""
    with Memory(HashEncoder(64), postgres.open()) as memory:
        memory.add_many(["The island has a lighthouse.", "We own a boat, not a ferry."])
        texts = ["The ferry to the island leaves at nine.", "Moved to ten.", "half past eleven"]
        first, second, third = (memory.add(text) for text in texts)
        assert memory.store.superseded(Filter(), limit=9) == {}
        memory.supersede(first, second)
        memory.supersede(second, third)
        newer = {first.id: third.id, second.id: third.id}
        assert memory.store.superseded(Filter(scope="default"), limit=9) == newer
        assert memory.store.superseded(Filter(scope="elsewhere"), limit=9) == {}
        assert memory.store.superseded(Filter(), limit=1) == {second.id: third.id}
        question = "When does the ferry to the island leave?"
        (hit, *rest) = memory.recall(question)
        assert hit.record.id == third.id
        assert not {first.id, second.id} & {one.record.id for one in rest}


def test_expired_records_are_swept(postgres):
    """What expired is forgotten by `sweep`, as in SQLite."""
    store = postgres.open()
    soon = datetime.now(UTC) - timedelta(seconds=1)
    store.add([Turn("short", expires_at=soon), Turn("long")])
    assert store.sweep().records == 1 and store.sweep().records == 0
    assert store.status().records == 1


def test_a_memory_opens_a_url(postgres, tmp_path):
    """`Memory.open` takes a URL, and the whole of recall works over it."""
    url = postgres.url(schema=postgres.fresh_schema(), pool_size=2)
    with Memory.open(url, with_model=False) as memory:
        memory.add("Ada keeps bees in Trondheim.", metadata={"year": 2024})
        memory.add("Bob keeps ants.", metadata={"year": 2023})
        [hit] = memory.recall("bees", where={"year": {"$gte": 2024}})
        assert hit.record.text.startswith("Ada") and hit.score > 0
        assert memory.status().store.url == url
        assert memory.export(tmp_path / "export.jsonl") == 2
    with pytest.raises(PassphraseError, match="on a server"):
        Memory.open(url, with_model=False, passphrase="x")


@pytest.mark.parametrize("option", ["schema=Bad-Name", "pool_size=0", "scope=", "schema=pg_x"])
def test_wrong_options_are_refused(postgres, option):
    """An option of ours with an impossible value is named."""
    name, _, value = option.partition("=")
    with pytest.raises(StoreError, match=f"{name}="):
        postgres.open(**{name: value})


CASES = [
    {"n": 1}, {"n": 1.0}, {"n": True}, {"n": "1"}, {"n": None}, {"missing": None},
    {"n": {"$gt": 0}}, {"n": {"$lte": 1.5}}, {"s": {"$gt": "a"}}, {"s": {"$lt": "é"}},
    {"n": {"$ne": 1}}, {"n": {"$in": [1, "x"]}}, {"n": {"$nin": [1, "x"]}},
    {"tags": {"$contains": "b"}}, {"s": {"$contains": "b"}}, {"s": {"$contains": ""}},
    {"tags": ["a", "b"]}, {"deep": {"x": [1, {"y": None}]}}, {"tags": {"$contains": {"k": 1}}},
    {"$or": [{"n": 1}, {"s": "abc"}]}, {"$not": {"n": 1}}, {"$and": []}, {"$or": []}, {},
    {"n": {"$gt": 0, "$lt": 2}}, {"we'ird \" key?%s": 1}, {"n": {"$contains": 1}},
]  # fmt: skip


def test_filters_select_as_in_sqlite(postgres, tmp_path):
    """Every kind of condition on metadata selects the same records in both stores."""
    from lmort_memory.store import SQLiteStore

    values = [
        {"n": 1}, {"n": 1.0}, {"n": True}, {"n": "1"}, {"n": None}, {}, {"n": 0.5}, {"n": [1]},
        {"s": "abc"}, {"s": "Z"}, {"s": "ü"}, {"tags": ["a", "b"]}, {"tags": ["b", {"k": 1}]},
        {"deep": {"x": [1, {"y": None}]}}, {"n": 10**18, "s": ""}, {"we'ird \" key?%s": 1},
    ]  # fmt: skip
    turns = [Turn(f"t{i}", metadata=value) for i, value in enumerate(values)]
    server = postgres.open()
    server.add(turns)
    with SQLiteStore(tmp_path / "memory.db") as file:
        file.add(turns)
        for where in CASES:
            found, expected = (
                [record.text for record in store.records(Filter(where=where))]
                for store in (server, file)
            )
            assert found == expected, where


def test_a_space_that_another_program_recreated_is_found_again(running):
    """Its number and width are remembered, and asked for anew if they do not fit."""
    schema = running.fresh_schema()
    one, other = running.open(schema=schema), running.open(schema=schema)
    vector = {dim: np.eye(1, dim, dtype=np.float32) for dim in (8, 16)}
    one.add([Turn("a")], space="s", encoded=[Encoded(vector[8], ((0, 1),))])
    assert len(one.dense("s", vector[8][0], Filter(), limit=3)) == 1
    for dim in (16, 16):
        other.drop_space("s")
        [at] = other.add([Turn(f"b {dim}")], space="s", encoded=[Encoded(vector[dim], ((0, 1),))])
        assert at.record.id in {m.id for m in one.dense("s", vector[dim][0], Filter(), limit=3)}
        other.forget(Filter(ids=(at.record.id,)))


def test_turns_old_and_new_get_their_vectors(postgres):
    """What is stored already keeps its vectors; a turn that comes twice is stored once."""
    codes = [Encoded(np.eye(1, 8, k, dtype=np.float32), ((0, 1),)) for k in range(3)]
    store = postgres.open()
    store.add([Turn("old")], space="s", encoded=codes[:1])
    turns = [Turn("new"), Turn("old"), Turn("new")]
    stored = store.add(turns, space="s", encoded=[codes[1], codes[2], codes[2]])
    assert [one.new for one in stored] == [True, False, False]
    found = store.vectors("s", [one.record.id for one in stored])
    assert found[stored[0].record.id].vectors[0].argmax() == 1
    assert found[stored[1].record.id].vectors[0].argmax() == 0
