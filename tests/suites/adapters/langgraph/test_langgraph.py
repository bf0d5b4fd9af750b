"""LangGraph's store over a memory, beyond its owner's tests."""

import asyncio
import time

import pytest

from lmort_memory import Memory
from lmort_memory.adapters.langgraph import MemoryStore
from lmort_memory.store import SQLiteStore
from tests.support.pages import check_example


def test_the_page(tmp_path):
    """The page's example prints what the page says."""
    check_example("docs/adapters/langgraph.md", tmp_path)


def test_items_are_records_in_scopes_of_their_own(memory):
    """A namespace is a scope, whatever its labels hold; a prefix ends at a label's end."""
    store = MemoryStore(memory, fields=["text"])
    for namespace in [("a",), ("a", "b/c"), ("a%", "b"), ("ab",)]:
        store.put(namespace, "k", {"text": f"bees of {namespace[-1]}"})
    assert [one.namespace for one in store.search(("a",), query="bees")] == [("a",), ("a", "b/c")]
    assert sorted(store.list_namespaces()) == [("a",), ("a", "b/c"), ("a%", "b"), ("ab",)]
    found = memory.recall("bees", scope="langgraph/a/b%2Fc")
    assert [one.record.text for one in found] == ["bees of b/c"]


def test_a_key_put_again_is_one_item_with_a_history(memory):
    """Putting a key again replaces the item, keeps its creation, and keeps the old version."""
    store = MemoryStore(memory, fields=["text"])
    store.put(("a",), "k", {"text": "old bees"})
    first = store.get(("a",), "k")
    store.put(("a",), "k", {"text": "new wasps", "n": 1})
    again = store.get(("a",), "k")
    assert (again.value, again.created_at) == ({"text": "new wasps", "n": 1}, first.created_at)
    assert len(store.search(("a",))) == 1
    assert len(memory.history(next(memory.records()).id)) == 2


@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        ({"n": {"$gt": 1}}, ["c", "b"]),
        ({"n": {"$in": [1, 3]}}, ["c", "a"]),
        ({"n": {"$ne": 2}}, ["c", "a"]),
        ({"user": {"city": "Oslo"}}, ["c", "a"]),
        ({"user.city": {"$eq": "Bergen"}}, ["b"]),
        ({"tags": ["x", "y"]}, ["a"]),
        ({"missing": None}, ["c", "b", "a"]),
        ({"n": {"$lt": float("inf")}, "user": {"city": "Oslo"}}, ["c", "a"]),
    ],
)
def test_filters_with_and_without_a_query(memory, condition, keys):
    """The same filter lets the same items through, whoever evaluates it."""
    store = MemoryStore(memory, fields=["text"])
    store.put(
        ("a",), "a", {"text": "bee one", "n": 1, "user": {"city": "Oslo"}, "tags": ["x", "y"]}
    )
    store.put(("a",), "b", {"text": "bee two", "n": 2, "user": {"city": "Bergen"}, "tags": ["y"]})
    store.put(("a",), "c", {"text": "bee three", "n": 3, "user": {"city": "Oslo"}, "tags": []})
    assert [one.key for one in store.search(("a",), filter=condition)] == keys
    assert {one.key for one in store.search(("a",), query="bee", filter=condition)} == set(keys)
    assert len(store.search(("a",), query="bee", filter=condition, limit=1)) == 1


def test_an_unknown_operator_is_refused(memory):
    """An operator that nobody knows is a ValueError, not an empty result."""
    store = MemoryStore(memory)
    store.put(("a",), "k", {"n": 1})
    for condition in ({"n": {"$near": 1}}, {"user": {"n": {"$near": 1}}}, {"a.b": {"$near": 1}}):
        with pytest.raises(ValueError, match="near"):
            store.search(("a",), filter=condition)


def test_reading_renews_a_ttl_without_new_versions(memory):
    """Reads move the expiry and add nothing to the history; a put without a ttl takes it away."""
    store = MemoryStore(memory, fields=["text"])
    store.put(("a",), "k", {"text": "bees"}, ttl=0.5 / 60)
    for _ in range(4):
        time.sleep(0.2)
        assert store.get(("a",), "k").value == {"text": "bees"}
    record = next(memory.records())
    assert len(memory.history(record.id)) == 1
    store.put(("a",), "k", {"text": "bees"}, ttl=None)
    assert next(memory.records()).expires_at is None
    store.put(("a",), "gone", {"text": "wasps"}, ttl=0.1 / 60)
    time.sleep(0.3)
    assert store.get(("a",), "gone", refresh_ttl=False) is None
    assert store.sweep_ttl() == 1


def test_async_and_words_alone(tmp_path):
    """Without a model the words decide, in the asynchronous methods too."""
    with Memory(None, SQLiteStore(tmp_path / "memory.db")) as memory:
        store = MemoryStore(memory, fields=["text"])

        async def use():
            await asyncio.gather(
                *(store.aput(("a",), str(i), {"text": f"hive {i}"}) for i in range(9))
            )
            return await store.asearch(("a",), query="hive 7", limit=1)

        assert asyncio.run(use())[0].key == "7"


def test_values_must_be_json(memory):
    """A value that JSON has not is refused, and nothing is stored."""
    store = MemoryStore(memory)
    with pytest.raises((ValueError, TypeError)):
        store.put(("a",), "k", {"when": time})
    assert store.get(("a",), "k") is None
