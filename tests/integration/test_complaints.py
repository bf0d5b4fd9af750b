"""What hurts users of other memory systems, each a promise here.

docs/limits.md has the list with where each complaint was made; those that other files test are
named there too.
"""

import re
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from lmort_memory import Memory, Turn
from lmort_memory.chat.notes import Found, pack_notes
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.vectors.graph import Graph
from lmort_memory.testing import HashEncoder
from lmort_memory.types import Encoded, Source

GRAPH_FROM = 100


@pytest.fixture(autouse=True)
def _save_small_graphs(monkeypatch):
    """Save graphs of a hundred vectors, as large stores save theirs."""
    monkeypatch.setattr("lmort_memory.store.vectors.refresh.SAVE_LEAST", 10)


@pytest.fixture
def opened(tmp_path):
    """Return how to open the test's database, with an encoder and a small graph."""
    return lambda encoder: Memory(
        encoder, SQLiteStore(tmp_path / "memory.db", graph_from=GRAPH_FROM)
    )


def _filled(memory, n=200):
    """Add notes whose metadata, scope and time depend on their number."""
    day = datetime(2024, 1, 1, tzinfo=UTC)
    turns = [
        Turn(f"note {i} about bees", scope=f"scope {i % 4}", metadata={"n": i}, created_at=day)
        for i in range(n)
    ]
    return memory.add(turns)


def test_a_change_of_model_starts_no_new_database_and_drops_nothing(opened):
    """Another dimension is not an error: old vectors stay, words answer, new vectors are made."""
    with opened(HashEncoder(32, name="old")) as memory:
        record = memory.add("Ada keeps bees")
    with opened(HashEncoder(48, name="new")) as memory:
        assert memory.recall("bees")[0].record.id == record.id
        memory.add("Ole sells honey")
        memory.encode_pending()
        spaces = {space.name: space.vectors for space in memory.store.spaces()}
        assert spaces == {"hash-old-32": 1, "hash-new-48": 2}


def test_a_broken_index_is_tried_once(opened, tmp_path, monkeypatch):
    """A file that hnswlib cannot read is dropped and built again; nothing retries in a loop."""
    with opened(HashEncoder(16)) as memory:
        _filled(memory)
        memory.store.build_index()
    tries = []

    def broken(*_args, **_named):
        tries.append(1)
        raise RuntimeError("Index seems to be corrupted or unsupported")

    with monkeypatch.context() as patch:
        patch.setattr(Graph, "load", broken)
        with opened(HashEncoder(16)) as memory:
            for _ in range(20):
                assert memory.recall("note 7", scope=None)
            memory.store._dense._refresher._thread.join()
            assert len(tries) == 1
            assert memory.store.spaces()[0].indexed == 200


def test_threads_that_write_at_once_lose_nothing(opened):
    """Parallel tool calls in one process: every write is kept, every forget is kept."""
    with opened(HashEncoder(16)) as memory:
        errors = []

        def work(name):
            try:
                for i in range(15):
                    record = memory.add(f"{name} says {i}", session=name)
                    memory.recall(name, session=name)
                    if i % 3 == 0:
                        memory.forget(record.id)
            except BaseException as error:
                errors.append(error)
                raise

        threads = [threading.Thread(target=work, args=(f"tool{i}",)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        kept = sorted(record.text for record in memory.records())
        assert kept == sorted(f"tool{t} says {i}" for t in range(6) for i in range(15) if i % 3)
        assert memory.store.verify().ok


def test_what_was_forgotten_does_not_come_back(opened, tmp_path):
    """Not by words, vector, id, history or page, after reopening, reencoding or rebuilding."""
    with opened(HashEncoder(16)) as memory:
        _filled(memory)
        secret = memory.add("the secret of Quibdoville", scope="home")
        memory.store.build_index()
        memory.forget(secret.id)
    for file in (tmp_path / "memory.db.index").iterdir():
        file.unlink()
    with opened(HashEncoder(24)) as memory:
        memory.reencode(drop_old=True)
        memory.store.build_index()
        for mode in ("hybrid", "dense", "lexical"):
            hits = memory.recall("the secret of Quibdoville", mode=mode, scope=None, top_k=300)
            assert secret.id not in {hit.record.id for hit in hits}
        assert secret.id not in {record.id for record in memory.records()}


def test_forgetting_everything_of_a_kind_is_not_cut_at_a_page(opened):
    """More records than any page holds are all forgotten, and counted."""
    with opened(None) as memory:
        memory.add_many(Turn(f"junk {i}", metadata={"kind": "junk"}) for i in range(1100))
        keep = memory.add("kept", metadata={"kind": "note"})
        assert memory.forget(where={"kind": "junk"}).records == 1100
        assert [record.id for record in memory.records()] == [keep.id]


def test_a_rebuilt_index_knows_all_metadata(opened, tmp_path):
    """After the index is gone and built again, every filter finds what it found before."""
    with opened(HashEncoder(16)) as memory:
        _filled(memory)
        memory.store.build_index()

        def asked():
            chosen = ({"scope": "scope 3"}, {"scope": None, "where": {"n": {"$gte": 150}}})
            return [
                [(h.record, h.score) for h in memory.recall("bees", mode="dense", top_k=60, **one)]
                for one in chosen
            ]

        before = asked()
        for file in (tmp_path / "memory.db.index").iterdir():
            file.unlink()
        memory.store.build_index()
        assert [len(found) for found in before] == [50, 50]
        assert asked() == before


def test_a_start_encodes_and_builds_nothing_again(opened, monkeypatch):
    """Opening a finished memory makes no vector and adds nothing to the graph."""
    with opened(HashEncoder(16)) as memory:
        _filled(memory)
        memory.store.build_index()

    def never(*_args, **_named):
        raise AssertionError("work was done twice")

    with opened(HashEncoder(16)) as memory:
        monkeypatch.setattr(HashEncoder, "encode", never)
        monkeypatch.setattr(Graph, "add", never)
        assert memory.encode_pending() == 0
        memory.store.build_index()
        assert memory.recall("note 7", scope=None)


def test_a_dropped_space_gives_its_room_back(opened, tmp_path):
    """Superseded vectors do not pile up: file and caches shrink when their space is dropped."""
    with opened(HashEncoder(256, name="old")) as memory:
        _filled(memory, 600)
        memory.store.build_index()
        before = memory.status().store
    size = (tmp_path / "memory.db").stat().st_size
    with opened(HashEncoder(16, name="new")) as memory:
        memory.reencode(drop_old=True)
        memory.store.build_index()
        after = memory.status().store
        assert [space.name for space in after.spaces] == ["hash-new-16"]
        assert size - (tmp_path / "memory.db").stat().st_size > 600 * 256
        assert before.index_bytes - after.index_bytes > 600 * 256
        assert {file.name.split("-")[0] for file in memory.store._dense.files.folder.iterdir()} == {
            "lock",
            "2",
        }


def test_a_note_says_when_and_from_where(opened):
    """What a model is given of a memory carries date, role and source beside the text."""
    when = datetime(2024, 5, 6, 7, 8, tzinfo=UTC)
    source = Source("file:///home/ada/diary.md", 10, 40)
    with opened(HashEncoder(16)) as memory:
        memory.add(Turn("Ada keeps bees", role="note", created_at=when, source=source))
        [hit] = memory.recall("bees", top_k=1)
    assert (hit.record.created_at, hit.record.role, hit.record.source) == (when, "note", source)
    found = [Found(hit, 0.9)]
    text = pack_notes(
        found, budget=500, count_tokens=len, now=datetime(2024, 6, 1, tzinfo=UTC)
    ).text
    assert "6 May 2024" in text and "diary.md" in text and "Ada keeps bees" in text


def test_a_small_scope_among_many_is_found_whole(opened):
    """A scoped question never loses a hit to better ones of other scopes, graph or not."""
    axes = np.eye(16, dtype=np.float32)
    with opened(None) as memory:
        store = memory.store
        near = [Turn(f"near {i}", scope="many") for i in range(400)]
        far = [Turn(f"far {i}", scope="few") for i in range(5)]
        encoded = [Encoded(axes[[0]], ((0, 4),))] * 400 + [Encoded(axes[[1]], ((0, 3),))] * 5
        store.add([*near, *far], space="s", encoded=encoded)
        store.build_index()
        for _ in range(2):  # the second time the scope is known
            matches = store.dense("s", axes[0], Filter(scope="few"), limit=10)
            assert len(matches) == 5
        store.add([Turn("far 5", scope="few")], space="s", encoded=encoded[-1:])
        assert len(store.dense("s", axes[0], Filter(scope="few"), limit=10)) == 6


def test_a_graph_takes_over_where_scanning_would_grow_slow(opened):
    """Beyond the threshold an index is built unasked, and its recall is that of the scan."""
    with opened(HashEncoder(16)) as memory:
        _filled(memory, GRAPH_FROM - 1)
        memory.recall("bees", scope=None)
        assert memory.store._dense._refresher._thread is None
        exact = memory.recall("note 42", mode="dense", scope=None)
        memory.add("one more")
        memory.recall("bees", scope=None)
        memory.store._dense._refresher._thread.join()
        assert memory.store.spaces()[0].indexed == GRAPH_FROM
        found = memory.recall("note 42", mode="dense", scope=None)
        assert [hit.record.id for hit in found[:3]] == [hit.record.id for hit in exact[:3]]
        # The graph and the scan add the products in another order, as the processor has it.
        scores = [hit.score for hit in exact[:3]]
        assert [hit.score for hit in found[:3]] == pytest.approx(scores, abs=1e-6)


def test_the_table_names_tests_that_exist():
    """Every test that docs/limits.md promises is there."""
    root = Path(__file__).parents[2]
    named = set(re.findall(r"`(test_\w+)`", (root / "docs" / "limits.md").read_text()))
    sources = "".join(file.read_text() for file in (root / "tests").rglob("test_*.py"))
    assert len(named) >= 15
    assert {name for name in named if f"def {name}(" not in sources} == set()
