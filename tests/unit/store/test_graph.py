"""The graph is a cache: missing, stale, damaged or half-built, answers stay right."""

import os
import sqlite3
import stat

import numpy as np
import pytest

from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.vectors.graph import Graph
from lmort_memory.types import Encoded, Turn

SPACE = "s"
DIM = 16


def _units(n, seed=0):
    drawn = np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def _add(store, vectors, scope="default"):
    turns = [Turn(f"{scope} {i} {vector[0]}", scope=scope) for i, vector in enumerate(vectors)]
    encoded = [Encoded(vector[None], ((0, 1),)) for vector in vectors]
    return [one.record.id for one in store.add(turns, space=SPACE, encoded=encoded)]


def _ranking(store, query, limit=10, **chosen):
    return [m.id for m in store.dense(SPACE, query, Filter(**chosen), limit=limit)]


def _exact(vectors, ids, query, limit=10):
    halves = vectors.astype(np.float16).astype(np.float32)
    return [ids[i] for i in np.argsort(-(halves @ query), kind="stable")[:limit]]


def _caches(folder):
    return sorted(p.suffix for p in (folder / "memory.db.index").iterdir() if p.suffix)


@pytest.fixture(autouse=True)
def _small_numbers(monkeypatch):
    """Let a few hundred vectors behave like a hundred thousand."""
    monkeypatch.setattr("lmort_memory.store.vectors.refresh.SAVE_LEAST", 10)
    monkeypatch.setattr("lmort_memory.store.vectors.refresh.MAX_TAIL", 50)


@pytest.fixture
def opened(tmp_path):
    """Return how to open the test's database with a graph from 200 vectors on."""
    return lambda: SQLiteStore(tmp_path / "memory.db", graph_from=200)


@pytest.fixture
def filled(opened):
    """A store of 600 vectors with a saved graph; its vectors and ids."""
    vectors = _units(600)
    store = opened()
    ids = _add(store, vectors)
    store.build_index()
    yield store, vectors, ids
    store.close()


def test_the_graph_finds_what_the_exact_scan_finds(filled):
    """Over many queries the graph's ten best are the exact ones, to 98 % at least."""
    store, vectors, ids = filled
    queries = _units(50, seed=1)
    assert store.spaces()[0].indexed == 600
    hits = sum(len(set(_ranking(store, q)) & set(_exact(vectors, ids, q))) for q in queries)
    assert hits / (10 * len(queries)) >= 0.98


def test_below_the_threshold_there_is_no_graph(opened, tmp_path):
    """A small store keeps no cache at all."""
    with opened() as store:
        ids = _add(store, _units(100))
        store.build_index()
        assert _ranking(store, _units(1)[0])[0] == ids[0]
    assert not (tmp_path / "memory.db.index" / "lock").exists() or _caches(tmp_path) == []


def test_what_is_newer_than_the_graph_is_found_at_once(filled):
    """A vector added after the graph was built is found by the next search."""
    store, _, _ = filled
    new = _units(5, seed=3)
    ids = _add(store, new, scope="new")
    assert [_ranking(store, vector, 1)[0] for vector in new] == ids
    assert [_ranking(store, vector, 1, scope="new")[0] for vector in new] == ids


def test_a_selective_filter_is_exact(filled):
    """Records of a small scope are all found, in exact order, among many others."""
    store, _, _ = filled
    few = _units(30, seed=4)
    ids = _add(store, few, scope="few")
    query = _units(1, seed=5)[0]
    assert _ranking(store, query, 30, scope="few") == _exact(few, ids, query, 30)


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "empty", "garbage"])
@pytest.mark.parametrize("kind", ["graph", "matrix"])
def test_a_damaged_cache_costs_no_answer(filled, opened, tmp_path, kind, damage):
    """A damaged or missing file is noticed before it is used; answers stay, and it is rebuilt."""
    store, vectors, ids = filled
    store.close()
    [file] = (tmp_path / "memory.db.index").glob(f"*.{kind}")
    data = bytearray(file.read_bytes())
    if damage == "remove":
        file.unlink()
    else:
        data[len(data) // 2] ^= 0xFF
        content = {
            "flip": bytes(data),
            "truncate": bytes(data[: len(data) // 3]),
            "empty": b"",
            "garbage": os.urandom(len(data)),
        }
        file.write_bytes(content[damage])
    query = _units(1, seed=6)[0]
    with opened() as again:
        assert _ranking(again, query) == _exact(vectors, ids, query)
        again.build_index()
        assert _ranking(again, query) == _exact(vectors, ids, query)
        assert again.spaces()[0].indexed == 600


def test_deleting_the_whole_folder_is_harmless(filled, opened, tmp_path):
    """The caches may be deleted at any time, by anyone."""
    store, vectors, ids = filled
    query = _units(1, seed=7)[0]
    for file in (tmp_path / "memory.db.index").iterdir():
        file.unlink()
    assert _ranking(store, query) == _exact(vectors, ids, query)
    store.close()
    with opened() as again:
        again.build_index()
        assert _ranking(again, query) == _exact(vectors, ids, query)
        assert _caches(tmp_path) == [".graph", ".matrix"]


def test_a_saved_graph_is_loaded_and_grown_not_built(filled, opened, monkeypatch):
    """After reopening, only what is new is added to the graph."""
    store, _, _ = filled
    _add(store, _units(80, seed=8), scope="new")
    store.close()
    added = []
    add = Graph.add
    monkeypatch.setattr(
        Graph, "add", lambda self, ids, halves: (added.extend(ids), add(self, ids, halves))
    )
    with opened() as again:
        again.build_index()
        assert len(added) == 80
        assert again.spaces()[0].indexed == 680


def test_a_graph_with_many_deleted_is_built_anew(filled, monkeypatch):
    """Above a fifth of deleted vectors the graph is rebuilt without them."""
    store, vectors, ids = filled
    store.forget(Filter(ids=tuple(ids[:200]), expired=True))
    store.build_index()
    query = _units(1, seed=9)[0]
    assert store.spaces()[0].indexed == 400
    assert _ranking(store, query) == _exact(vectors[200:], ids[200:], query)


def test_the_background_builds_what_a_search_misses(opened):
    """A search without a graph answers exactly and has the graph built for the next ones."""
    vectors = _units(400)
    with opened() as store:
        ids = _add(store, vectors)
        query = _units(1, seed=2)[0]
        assert _ranking(store, query) == _exact(vectors, ids, query)
        store._dense._refresher._thread.join()
        assert store.spaces()[0].indexed == 400
        assert _ranking(store, query) == _exact(vectors, ids, query)


def test_two_processes_share_the_caches(filled, opened):
    """A store that finds another one's newer graph drops its own instead of writing over it."""
    store, vectors, ids = filled
    with opened() as other:
        _ranking(other, vectors[0])
        other.build_index()
        store.forget(Filter(ids=(ids[0],), expired=True))
        more = _add(other, _units(200, seed=11), scope="new")
        other.build_index()
        for one in (store, other):
            one.build_index()
            found = _ranking(one, vectors[0], 800)
            assert ids[0] not in found and set(more) <= set(found) and len(found) == 799


def test_files_are_private(filled, tmp_path):
    """Files have mode 0600 and folders 0700, whatever the umask."""
    for path in [tmp_path / "memory.db", *(tmp_path / "memory.db.index").iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((tmp_path / "memory.db.index").stat().st_mode) == 0o700


def test_leftovers_of_a_kill_are_swept(filled, tmp_path):
    """Files that SQLite does not name are deleted by `compact`, and the named ones stay."""
    store, _, _ = filled
    left = tmp_path / "memory.db.index" / "1-feed.graph"
    left.write_bytes(b"half a graph")
    store.compact()
    assert not left.exists() and _caches(tmp_path) == [".graph", ".matrix"]


def test_a_graph_that_cannot_be_saved_is_no_error(opened, tmp_path, monkeypatch):
    """With no room for the cache the background gives up and searches stay exact."""

    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Graph, "save", full)
    vectors = _units(300)
    with opened() as store:
        ids = _add(store, vectors)
        query = _units(1, seed=2)[0]
        _ranking(store, query)
        store._dense._refresher._thread.join()
        assert _ranking(store, query) == _exact(vectors, ids, query)
    assert _caches(tmp_path) == []
    with sqlite3.connect(tmp_path / "memory.db") as connection:
        assert connection.execute("SELECT count(*) FROM caches").fetchone() == (0,)
    connection.close()
