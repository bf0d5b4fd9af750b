"""Looking through what is there: the newest records, the sessions."""

from datetime import UTC, datetime, timedelta

from lmort_memory import Source, Turn
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.values import Around

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def test_the_newest_records_are_last(tmp_path):
    """The last ones stored come in the order of storing, and only those that were chosen."""
    with SQLiteStore(tmp_path / "m.db") as store:
        store.add([Turn(f"{n}", scope="even" if n % 2 == 0 else "odd") for n in range(9)])
        assert [r.text for r in store.latest(Filter(), limit=3)] == ["6", "7", "8"]
        assert [r.text for r in store.latest(Filter(scope="odd"), limit=2)] == ["5", "7"]
        assert store.latest(Filter(scope="none"), limit=2) == []


def test_sessions_are_listed_by_their_last_turn(tmp_path):
    """A session has its first record, a count of turns, its last time; the latest comes last."""

    def turn(text, session, hours, scope="default"):
        when = NOON + timedelta(hours=hours)
        return Turn(text, session=session, created_at=when, scope=scope)

    with SQLiteStore(tmp_path / "m.db") as store:
        store.add([turn("a1", "a", 0), turn("b1", "b", 1), turn("a2", "a", 2), Turn("none")])
        store.add([turn("x", "a", 9, scope="other")])
        found = store.sessions(Filter(scope="default"), limit=5)
        assert [(s.first.text, s.turns, s.last_at) for s in found] == [
            ("b1", 1, NOON + timedelta(hours=1)),
            ("a1", 2, NOON + timedelta(hours=2)),
        ]
        assert [s.first.text for s in store.sessions(Filter(scope="default"), limit=1)] == ["a1"]
        assert [s.first.text for s in store.sessions(Filter(), limit=9)] == ["b1", "a1", "x"]


def test_what_links_to_a_note_is_told_apart(tmp_path):
    """A part of a note has the parts around it, and, apart from them, what links to the note."""
    wax = Turn("See Hives.", source=Source("file:///v/Wax.md"), metadata={"links": ["Hives"]})
    parts = [
        Turn(f"part {start}", role="note", source=Source("file:///v/Hives.md", start, start + 9))
        for start in (0, 10, 20)
    ]
    with SQLiteStore(tmp_path / "memory.db") as store:
        link, first, middle, last = (one.record for one in store.add([wax, *parts]))
        assert store.around(middle.id, 5) == Around((first,), (last,), (link,))
