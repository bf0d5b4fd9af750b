"""`lmort-mem copy`: everything arrives, both ways, compared at the end, resumable."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lmort_memory.errors import StoreError
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.duplicating import duplicate
from lmort_memory.store.paging import PAGE
from lmort_memory.store.values import LedgerEntry, SourceState
from lmort_memory.testing import HashEncoder
from lmort_memory.types import Encoded, Source, TokenCodes, Turn

DAY = datetime(2024, 1, 1, tzinfo=UTC)


def fill(store, count=40):
    """Store something of every kind."""
    encoder = HashEncoder(24)
    texts = [f"turn {i} about bees 蜂蜜 é" for i in range(count)]
    turns = [
        Turn(
            text,
            role="note" if i % 7 == 0 else "user",
            scope=f"scope{i % 3}",
            session=f"s{i % 5}" if i % 2 else None,
            created_at=DAY + timedelta(hours=i, microseconds=i),
            metadata={"n": 1e23, "i": i, "tags": ["a", None, 1.0], "deep": {"x": "ß"}},
            source=Source(f"file:///{i}.md", i, i + 5) if i % 4 == 0 else None,
            expires_at=DAY if i == 9 else None,
        )
        for i, text in enumerate(texts)
    ]
    encoded = encoder.encode(texts)
    coded = [
        Encoded(
            one.vectors,
            one.spans,
            TokenCodes("kind", tuple(np.full((3, 4), i, np.uint8) for _ in one.spans)),
        )
        for i, one in enumerate(encoded)
    ]
    ids = [one.record.id for one in store.add(turns, space="a space", encoded=coded)]
    some = [record for record in store.records(Filter()) if record.role == "note"]
    store.put_vectors("another", some, HashEncoder(8).encode([one.text for one in some]))
    store.update(ids[3], Turn("changed once"))
    store.update(ids[3], Turn("changed twice", metadata={"v": 2}))
    store.supersede(ids[1], ids[2])
    state = SourceState("file:///imported.md", "digest", 10, 20)
    store.replace_source(state, [Turn("imported a"), Turn("imported b")], scope="scope1")
    store.add_ledger(LedgerEntry("r1", "s1", (ids[0], ids[4]), {"scope": "scope0", "why": [1]}))
    store.add_ledger(LedgerEntry("r2", None, ()))


@pytest.mark.parametrize("way", ["to the server", "from the server", "file to file", "server both"])
def test_a_copy_is_the_same(way, postgres, tmp_path):
    """Records, vectors, codes, versions, ledgers and sources are equal on both sides."""
    on_server = {"to the server": (0, 1), "from the server": (1, 0), "server both": (1, 1)}
    kinds = on_server.get(way, (0, 0))
    source, target = (
        postgres.open() if kind else SQLiteStore(tmp_path / f"{i}.db")
        for i, kind in enumerate(kinds)
    )
    fill(source)
    done = duplicate(source, target)
    counts = {one.kind: one.count for one in done.tallies}
    assert done.new == counts["records"] == 42
    assert counts["token codes"] == 39 and counts["versions"] == 2
    assert counts["ledger"] == 2 and counts["sources"] == 1
    chosen = Filter(expired=True)
    assert list(source.records(chosen)) == list(target.records(chosen))
    changed = next(record for record in target.records(chosen) if record.text == "changed twice")
    assert source.history(changed.id) == target.history(changed.id)
    assert source.ledgers(limit=9) == target.ledgers(limit=9)
    for store in (source, target):
        store.close()


def test_a_copy_of_more_than_two_pages_is_whole(postgres, tmp_path):
    """However many records, ledger entries and sources there are, all arrive and return."""
    count = 2 * PAGE + 1
    server = postgres.open()
    with SQLiteStore(tmp_path / "a.db") as source, SQLiteStore(tmp_path / "b.db") as back:
        source.add([Turn(f"turn {i}") for i in range(count)])
        source.restore([], ledgers=[LedgerEntry(f"r{i}", None, ()) for i in range(count)])
        state = SourceState("file:///a.md", "digest", 10, 20)
        named = [replace(state, uri=f"file:///{i // 3}.md") for i in range(count)]
        source.put_sources([(f"s{i % 3}", one, DAY) for i, one in enumerate(named)])
        for done in (duplicate(source, server), duplicate(server, back)):
            counts = {one.kind: one.count for one in done.tallies}
            assert counts["records"] == counts["ledger"] == counts["sources"] == count


def test_an_interrupted_copy_is_resumed(postgres, tmp_path, monkeypatch):
    """What was copied before an interruption is kept, and the rest follows."""
    from lmort_memory.store import duplicating

    monkeypatch.setattr(duplicating, "BATCH", 10)
    target = postgres.open()
    with SQLiteStore(tmp_path / "memory.db") as source:
        fill(source)

        def stop(done, total):
            if done >= 20:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            duplicate(source, target, progress=stop)
        assert target.facets(Filter(expired=True)).total == 20
        assert duplicate(source, target).new == 22


def test_a_copy_into_other_records_is_refused(postgres, tmp_path):
    """A database that holds something else is not mixed with the copy."""
    target = postgres.open()
    target.add([Turn("mine")])
    with SQLiteStore(tmp_path / "memory.db") as source:
        fill(source)
        with pytest.raises(StoreError, match="1 or more records"):
            duplicate(source, target)
    assert [record.text for record in target.records(Filter())] == ["mine"]


def test_a_copy_that_differs_is_said(postgres, tmp_path):
    """A change of the target between two runs of a copy is found by the hashes."""
    target = postgres.open()
    with SQLiteStore(tmp_path / "memory.db") as source:
        fill(source)
        duplicate(source, target)
        postgres.run(
            "UPDATE records SET metadata = '{}' WHERE text LIKE 'turn 5 %'",
            schema=target._address.schema,
        )
        with pytest.raises(StoreError, match="differs in its records"):
            duplicate(source, target)


def test_a_backup_is_a_file(postgres, tmp_path):
    """A backup of a server is an ordinary database that holds everything."""
    store = postgres.open()
    fill(store)
    store.backup(tmp_path / "backup.db")
    with SQLiteStore(tmp_path / "backup.db") as copy:
        chosen = Filter(expired=True)
        assert list(copy.records(chosen)) == list(store.records(chosen))
    with pytest.raises(StoreError, match="it exists"):
        store.backup(tmp_path / "backup.db")
    assert [one.name for one in tmp_path.iterdir()] == ["backup.db"]


def test_a_backup_replaces_nothing(postgres, tmp_path):
    """What lies where the backup would go stays, even a link to nowhere or another's .part file."""
    store = postgres.open()
    (tmp_path / "link.db").symlink_to("nowhere")
    with pytest.raises(StoreError, match="it exists"):
        store.backup(tmp_path / "link.db")
    with pytest.raises(StoreError, match="there is no folder"):
        store.backup(tmp_path / "none" / "backup.db")
    (tmp_path / "backup.db.part").write_text("another program's")
    store.backup(tmp_path / "backup.db")
    assert (tmp_path / "backup.db.part").read_text() == "another program's"
    names = ["backup.db", "backup.db.part", "link.db"]
    assert sorted(one.name for one in tmp_path.iterdir()) == names
