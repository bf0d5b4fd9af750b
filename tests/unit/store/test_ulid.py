"""Ids that sort by time."""

from concurrent.futures import ThreadPoolExecutor

from lmort_memory.store import ulid


def test_ids_grow_within_a_process(monkeypatch):
    """Ids made one after the other sort so, even when the clock stands still or goes back."""
    times = iter([2_000_000_000, 2_000_000_000, 1_000_000_000, 3_000_000_000])
    monkeypatch.setattr(ulid, "_last", 0)
    monkeypatch.setattr(ulid.time, "time_ns", lambda: next(times))
    ids = [ulid.new_id() for _ in range(4)]
    assert ids == sorted(set(ids))


def test_ids_are_ulids_and_differ_between_threads():
    """26 characters of Crockford's alphabet; no two threads get the same one."""
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: ulid.new_id(), range(2000)))
    assert len(set(ids)) == 2000
    assert all(len(id_) == 26 and set(id_) <= set(ulid.ALPHABET) for id_ in ids)
