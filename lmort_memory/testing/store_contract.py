"""The contract of `Store`, as checks that any implementation can run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from lmort_memory.errors import RecordNotFoundError, SpaceMismatchError
from lmort_memory.store.protocol import Named, Store
from lmort_memory.store.values import Filter, LedgerEntry, SourceState
from lmort_memory.testing.hash_encoder import HashEncoder
from lmort_memory.types import Encoded, Source, Turn

__all__ = ["CHECKS", "check_store"]

SPACE = "contract"
ALL = Filter()


def check_store(make_store: Callable[[], Store]) -> None:
    """Run every check of `CHECKS` on a store.

    Args:
        make_store: Returns a new, empty store on each call; `check_store` closes it.

    Raises:
        AssertionError: the store breaks the contract; the message names the check.
    """
    for check in CHECKS:
        store = make_store()
        try:
            check(store)
        except AssertionError as error:
            raise AssertionError(f"{check.__name__}: {error}") from error
        finally:
            store.close()


def keeps_every_field(store: Store) -> None:
    """A stored turn comes back unchanged."""
    now = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    turn = Turn(
        text="Ada keeps bees.\0 蜂蜜",
        role="note",
        scope="home",
        session="s1",
        created_at=now,
        metadata={"tags": ["a", "b"], "n": 1.5, "deep": {"x": None}},
        source=Source("file:///a.md", 3, 20),
        expires_at=now + timedelta(days=36500),
    )
    record = store.add([turn])[0].record
    assert store.get([record.id]) == {record.id: record}, "get returns another record"
    for name in ("text", "role", "scope", "session", "created_at", "source", "expires_at"):
        assert getattr(record, name) == getattr(turn, name), f"{name} was changed"
    assert record.metadata == turn.metadata, "metadata was changed"


def stores_once(store: Store) -> None:
    """The same content from the same origin is one record; another origin makes another."""
    first, again = store.add([Turn("bees"), Turn("bees")])
    assert first.new and not again.new and first.record == again.record, "stored twice"
    turns = [Turn("yes", session="s"), Turn("yes", session="s"), Turn("bees", scope="other")]
    assert all(one.new for one in store.add(turns)), "different origins were taken for one"


def stores_again_what_has_ended(store: Store) -> None:
    """What was replaced holds again once it is said again; what is imported again does not."""
    copies = [
        Turn("x is one", created_at=datetime(2024, 1, 1, tzinfo=UTC)),
        Turn("x is one", source=Source("file:///x.md")),
    ]
    said = [Turn("x is one"), *copies]
    [first, *copied, two] = (one.record for one in store.add([*said, Turn("x is two")]))
    for old in (first, *copied):
        store.supersede(old.id, two.id)
    [anew, *kept] = store.add(said)
    assert anew.new and anew.record.valid_to is None, "what was said again does not hold"
    assert [one.record.id for one in kept] == [one.id for one in copied], "a copy was stored twice"
    assert not any(one.new for one in store.add(said)), "stored twice"
    store.supersede(anew.record.id, two.id)
    third, repeated = store.add([Turn("x is one"), Turn("x is one")])
    assert third.new and not repeated.new, "not once for each time"
    future = datetime.now(UTC) + timedelta(days=1)
    store.supersede(third.record.id, store.add([Turn("x is three")])[0].record.id, at=future)
    assert not store.add([Turn("x is one")])[0].new, "what still holds was stored twice"


def ids_sort_by_age(store: Store) -> None:
    """Ids increase, and iteration follows them, page by page."""
    stored = store.add([Turn(f"turn {i}") for i in range(50)])
    ids = [one.record.id for one in stored]
    assert ids == sorted(ids), "ids do not grow"
    assert [record.id for record in store.records(ALL)] == ids, "iteration leaves the order"
    assert [r.id for r in store.records(ALL, after=ids[9])] == ids[10:], "a page is not stable"


def filters_before_ranking(store: Store) -> None:
    """A filter never loses a hit that passes it."""
    turns = [Turn(f"bees {i}", scope="few" if i == 0 else "many") for i in range(300)]
    near = np.eye(8, dtype=np.float32)[0]
    far = np.eye(8, dtype=np.float32)[1]
    encoded = [Encoded((far if i == 0 else near)[None], ((0, 4),)) for i in range(300)]
    kept = store.add(turns, space=SPACE, encoded=encoded)[0].record.id
    chosen = Filter(scope="few")
    assert [m.id for m in store.dense(SPACE, near, chosen, limit=3)] == [kept], "dense lost it"
    assert [m.id for m in store.lexical("bees", chosen, limit=3)] == [kept], "lexical lost it"


def ranks_by_best_chunk(store: Store) -> None:
    """A record's cosine is that of its best chunk, and it is ranked once."""
    axes = np.eye(4, dtype=np.float32)
    two = Encoded(axes[[0, 1]], ((0, 3), (3, 6)))
    one = Encoded(axes[[2]], ((0, 6),))
    ids = [
        s.record.id for s in store.add([Turn("abc"), Turn("xyz")], space=SPACE, encoded=[two, one])
    ]
    query = np.asarray([0.0, 0.8, 0.6, 0.0], np.float32)
    matches = store.dense(SPACE, query, ALL, limit=5)
    assert [match.id for match in matches] == ids, "wrong order, or a record twice"
    assert abs(matches[0].score - 0.8) < 1e-3 and matches[0].span == (3, 6), "not the best chunk"
    read = store.vectors(SPACE, ids)[ids[0]]
    assert read.spans == two.spans and np.allclose(read.vectors, two.vectors), "vectors changed"


def refuses_other_widths(store: Store) -> None:
    """A space has one width."""
    encoder = HashEncoder(8)
    record = store.add([Turn("a")], space=SPACE, encoded=encoder.encode(["a"]))[0].record
    for act in (
        lambda: store.put_vectors(SPACE, [record], HashEncoder(16).encode(["a"])),
        lambda: store.dense(SPACE, HashEncoder(16).encode_query("a"), ALL, limit=1),
    ):
        try:
            act()
        except SpaceMismatchError:
            continue
        raise AssertionError("vectors of another width were accepted")


def waits_for_vectors(store: Store) -> None:
    """A record without vectors is pending, and stays pending if it changes meanwhile."""
    encoder = HashEncoder(8)
    first, second = (one.record for one in store.add([Turn("a"), Turn("b")]))
    assert store.pending(SPACE, limit=9) == [first, second], "pending is wrong"
    store.update(second.id, Turn("c"))
    put = store.put_vectors(SPACE, [first, second], encoder.encode(["a", "b"]))
    waiting = [record.text for record in store.pending(SPACE, limit=9)]
    assert (put, waiting) == (1, ["c"]), "a changed text got the vector of the old one"


def keeps_history(store: Store) -> None:
    """An update keeps the old version, and words find the new text."""
    record = store.add([Turn("old honey")])[0].record
    store.update(record.id, Turn("new wax"))
    assert [one.text for one in store.history(record.id)] == ["old honey", "new wax"]
    assert not store.lexical("honey", ALL, limit=1), "old words are still found"
    assert store.lexical("wax", ALL, limit=1), "new words are not found"
    try:
        store.history("nobody")
    except RecordNotFoundError:
        return
    raise AssertionError("a missing record has a history")


def knows_the_turns_around(store: Store) -> None:
    """Neighbours are turns of the same session, in order of time, whenever they were stored."""
    day = datetime(2024, 1, 1, tzinfo=UTC)
    turns = [
        Turn(f"t{i}", session="s" if i % 2 else "other", created_at=day + timedelta(hours=i))
        for i in range(10)
    ]
    ids = [one.record.id for one in store.add(turns)]
    around = store.around(ids[5], 1)
    assert [r.text for r in around.before] == ["t3"], "not the turn before"
    assert [r.text for r in around.after] == ["t7"], "not the turn after"
    assert [r.text for r in store.around(ids[1], 2).all] == ["t3", "t5"], "wrong at the beginning"
    store.add([Turn("late", session="s", created_at=day + timedelta(hours=2))])
    assert [r.text for r in store.around(ids[3], 1).before] == ["late"], "not in order of time"


def knows_the_turn_after(store: Store) -> None:
    """The follower is the next turn of the session, if it passes the filter."""
    day = datetime(2024, 1, 1, tzinfo=UTC)
    places = ((2, "s"), (0, "s"), (1, "other"), (3, "s"), (4, None))
    turns = [
        Turn(f"t{hour}", session=session, created_at=day + timedelta(hours=hour))
        for hour, session in places
    ]
    ids = {one.record.text: one.record.id for one in store.add(turns)}
    found = store.followers(list(ids.values()), ALL)
    assert found == {ids["t0"]: ids["t2"], ids["t2"]: ids["t3"]}, "wrong followers"
    without = Filter(exclude=(ids["t2"],))
    assert store.followers([ids["t0"]], without) == {}, "a turn that is not chosen follows"


def replaces_sources(store: Store) -> None:
    """Importing a source again keeps unchanged records and deletes removed ones."""
    state = SourceState("file:///a.md", "digest 1", 10, 20)
    first = store.replace_source(state, map(Turn, ("a", "b", "b")), scope="default")
    kept = {record.text: record.id for record in store.records(ALL)}
    second = store.replace_source(state, map(Turn, ("new", "b", "b")), scope="default")
    assert (first.added, second.added, second.kept, second.removed) == (3, 1, 2, 1), "wrong counts"
    texts = {record.text: record.id for record in store.records(ALL)}
    assert texts["b"] == kept["b"] and "a" not in texts, "not the records of the source"
    assert store.source_state(state.uri, scope="default") == state, "the state is lost"
    assert store.sources(scope="other") == [], "scopes are mixed"


def forgets(store: Store) -> None:
    """A forgotten record is found nowhere, and ledgers that name it are gone too."""
    encoder = HashEncoder(8)
    texts = ["secret bees", "public ants"]
    stored = store.add(list(map(Turn, texts)), space=SPACE, encoded=encoder.encode(texts))
    secret, public = (one.record for one in stored)
    store.add_ledger(LedgerEntry("r1", "s", (secret.id,), {"text": "secret"}))
    store.add_ledger(LedgerEntry("r2", "s", (public.id,)))
    receipt = store.forget(Filter(ids=(secret.id,)))
    assert (receipt.records, receipt.vectors, receipt.ledger) == (1, 1, 1), f"wrong {receipt}"
    assert not store.get([secret.id]) and not store.lexical("secret", ALL, limit=1)
    found = store.dense(SPACE, encoder.encode_query("secret bees"), ALL, limit=9)
    assert [match.id for match in found] == [public.id], "a vector was left"
    left = store.ledgers(session="s", limit=9)
    assert left == [LedgerEntry("r2", "s", (public.id,))], "a ledger was left, or one too many"
    assert store.forget(Filter(ids=(secret.id,))).records == 0, "forgotten twice"


def hides_what_expired(store: Store) -> None:
    """An expired record is hidden at once, and deleted by `sweep`."""
    past = datetime(2001, 1, 1, tzinfo=UTC)
    record = store.add([Turn("short bees", expires_at=past), Turn("long bees")])[0].record
    assert not store.get([record.id]), "get shows it"
    assert len(store.lexical("bees", ALL, limit=9)) == 1, "recall shows it"
    assert store.sweep().records == 1 and store.sweep().records == 0, "sweep counts wrong"


def restores_what_it_dumped(store: Store) -> None:
    """A dump restores everything; restoring it again adds nothing."""
    encoder = HashEncoder(8)
    store.add(list(map(Turn, "ab")), space=SPACE, encoded=encoder.encode(["a", "b"]))
    dumped = list(store.dump(ALL, vectors=True))
    store.forget(Filter(ids=tuple(one.record.id for one in dumped)))
    assert store.restore(dumped) == 2 and store.restore(dumped) == 0, "wrong counts"
    again = list(store.dump(ALL, vectors=True))
    assert [one.record for one in again] == [one.record for one in dumped], "records changed"
    assert not store.add([Turn("a")])[0].new, "the origin was lost"
    vectors = [one.vectors[SPACE].vectors for one in again]
    assert np.array_equal(vectors, [one.vectors[SPACE].vectors for one in dumped])


def restores_versions_and_ledgers(store: Store) -> None:
    """A dump holds earlier versions; restored ledgers keep their time, and replace none."""
    record = store.add([Turn("old honey", session="s")])[0].record
    store.update(record.id, Turn("new wax"))
    store.add_ledger(LedgerEntry("r", "s", (record.id,), {"n": 1}))
    [dumped], [entry] = list(store.dump(ALL)), store.ledgers(session="s", limit=9)
    versions = store.history(record.id)
    assert dumped.history == tuple(versions[:-1]), "a dump lacks the earlier versions"
    store.forget(Filter(ids=(record.id,)))
    assert store.restore([dumped], ledgers=[entry]) == 1, "wrong count"
    assert store.history(record.id) == versions, "versions changed"
    store.restore([], ledgers=[replace(entry, payload={"n": 2})])
    [again] = store.ledgers(record_id=record.id, limit=9)
    assert (again, again.created_at) == (entry, entry.created_at), "the ledger changed"


def lists_ledgers(store: Store) -> None:
    """The latest ledgers come oldest first; without a limit, all of them."""
    day = datetime(2024, 1, 1, tzinfo=UTC)
    for i in range(5):
        at = day + timedelta(hours=i)
        store.add_ledger(LedgerEntry(f"r{i}", "s" if i else None, ("a",), created_at=at))
    assert [e.reply_id for e in store.ledgers()] == ["r0", "r1", "r2", "r3", "r4"], "not all"
    assert [e.reply_id for e in store.ledgers(session="s", limit=2)] == ["r3", "r4"], "not the last"
    assert len(store.ledgers(record_id="a")) == 5, "not all that name a record"


def drops_spaces(store: Store) -> None:
    """A dropped space is empty, and other spaces are untouched."""
    encoder = HashEncoder(8)
    record = store.add([Turn("a")], space=SPACE, encoded=encoder.encode(["a"]))[0].record
    store.put_vectors("other", [record], encoder.encode(["a"]))
    assert store.drop_space(SPACE) == 1, "wrong count"
    assert [space.name for space in store.spaces()] == ["other"], "wrong spaces"
    assert not isinstance(store, Named) or "other" in store.space_names(), "a space is not named"
    query = encoder.encode_query("a")
    assert not store.dense(SPACE, query, ALL, limit=1), "it still answers"
    assert store.dense("other", query, ALL, limit=1), "the other one is gone"


CHECKS: tuple[Callable[[Store], None], ...] = (
    keeps_every_field,
    stores_once,
    stores_again_what_has_ended,
    ids_sort_by_age,
    filters_before_ranking,
    ranks_by_best_chunk,
    refuses_other_widths,
    waits_for_vectors,
    keeps_history,
    knows_the_turns_around,
    knows_the_turn_after,
    replaces_sources,
    forgets,
    hides_what_expired,
    restores_what_it_dumped,
    restores_versions_and_ledgers,
    lists_ledgers,
    drops_spaces,
)
"""Every check, in the order in which `check_store` runs them; each needs an empty store."""
