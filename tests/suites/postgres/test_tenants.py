"""Scopes as tenants: row-level security keeps them apart, whatever is asked."""

import numpy as np
import pytest

from lmort_memory.errors import StoreError
from lmort_memory.store.postgres.schema import TABLES
from lmort_memory.store.values import Filter, LedgerEntry, SourceState
from lmort_memory.testing import HashEncoder
from lmort_memory.types import ScopeTree, Source, Turn

SPACE = "tenants"
ENCODER = HashEncoder(16)


@pytest.fixture(scope="module")
def roles(running):
    """A role of an application, whose URL names the scope, and one that is bound to a scope."""
    for name in ("app", "ada"):
        running.run(f"CREATE ROLE {name} LOGIN")
    return running


@pytest.fixture
def shared(postgres, roles):
    """A schema with two tenants' records, and the owner's store."""
    schema = postgres.fresh_schema()
    owner = postgres.open(schema=schema)
    postgres.run("CALL grant_access('app'); CALL grant_access('ada', 'team/ada')", schema=schema)
    for scope in ("team/ada", "team/ada/work", "team/adam", "team/bob"):
        texts = [f"{scope} keeps secret bees {i}" for i in range(3)]
        turns = [
            Turn(text, scope=scope, session="s", source=Source(f"file:///{scope}", i))
            for i, text in enumerate(texts)
        ]
        owner.add(turns, space=SPACE, encoded=ENCODER.encode(texts))
        state = SourceState(f"file:///{scope}/import", "1")
        owner.replace_source(state, [Turn(f"{scope} imported")], scope=scope)
        record = owner.latest(Filter(scope=scope), limit=1)[0]
        owner.update(record.id, Turn(f"{scope} changed"))
        owner.add_ledger(LedgerEntry(f"r-{scope}", "s", (record.id,), {"scope": scope}))
    owner.put_vectors(
        SPACE, new := owner.pending(SPACE, limit=9), ENCODER.encode([r.text for r in new])
    )
    return schema, owner


OWN = {"team/ada", "team/ada/work"}


def _everything(store):
    """Return the scopes of all that each way of reading shows."""
    every = Filter(expired=True)
    ids = [record.id for record in store.records(every)]
    found = {
        "records": {r.scope for r in store.records(every)},
        "latest": {r.scope for r in store.latest(every, limit=99)},
        "dump": {d.record.scope for d in store.dump(every, vectors=True)},
        "facets": set(store.facets(every).scopes),
        "sessions": {s.first.scope for s in store.sessions(every, limit=99)},
        "pending": {r.scope for r in store.pending("other", limit=99)},
        "ledgers": {e.payload["scope"] for e in store.ledgers(session="s", limit=99)},
        "every ledger": {e.payload["scope"] for e in store.every_ledger()},
        "every source": {scope for scope, _, _ in store.every_source()},
    }
    query = ENCODER.encode_query("team/bob keeps secret bees")
    for name, matches in (
        ("dense", store.dense(SPACE, query, Filter(), limit=99)),
        ("lexical", store.lexical("secret bees changed imported", Filter(), limit=99)),
    ):
        found[name] = {r.scope for r in store.get(m.id for m in matches).values()}
    found["vectors"] = {store.get([one])[one].scope for one in store.vectors(SPACE, ids)}
    return found


@pytest.mark.parametrize("who", ["app", "ada"])
def test_no_query_sees_another_tenants_rows(shared, postgres, who):
    """Every way of reading shows the tenant's scope and those below it, and no other."""
    schema, owner = shared
    options = {"scope": "team/ada"} if who == "app" else {}
    store = postgres.open(who, schema=schema, **options)
    assert {name: one - OWN for name, one in _everything(store).items() if one - OWN} == {}
    assert _everything(store)["records"] == OWN
    others = [r.id for r in owner.records(Filter(scope=ScopeTree("team"))) if r.scope not in OWN]
    assert store.get(others) == {} and store.vectors(SPACE, others) == {}
    assert store.predecessors(others) == {}
    assert store.followers(others, Filter()) == {}
    assert store.sources(scope="team/bob") == []
    status = store.status()
    assert (status.records, status.spaces[0].vectors) == (8, 8)


@pytest.mark.parametrize("who", ["app", "ada"])
def test_no_write_reaches_another_tenants_rows(shared, postgres, who):
    """Nothing is stored in, changed in or forgotten from another scope."""
    schema, owner = shared
    store = postgres.open(who, schema=schema, **({"scope": "team/ada"} if who == "app" else {}))
    before = {r.id: r for r in owner.records(Filter()) if r.scope not in OWN}
    assert store.forget(Filter(ids=tuple(before))).records == 0
    assert store.set_expiry(list(before), None) == 0
    with pytest.raises(StoreError, match="row-level security"):
        store.add([Turn("a planted note", scope="team/bob")])
    store.drop_space(SPACE)
    assert {r.id: r for r in owner.records(Filter()) if r.scope not in OWN} == before
    assert owner.spaces()[0].vectors == 8, "others' vectors were dropped"


def test_plain_sql_sees_no_more(shared, postgres):
    """The tables themselves refuse: a role without a scope sees nothing, whatever it sends."""
    schema, _ = shared
    for table in TABLES:
        assert postgres.run(f"SELECT * FROM {table}", user="app", schema=schema) == [], table
    seen = "SELECT DISTINCT scope FROM records ORDER BY 1"
    assert {s for (s,) in postgres.run(seen, user="ada", schema=schema)} == OWN
    escape = "SELECT set_config('lmort.scope', 'team/bob', false); " + seen
    assert {s for (s,) in postgres.run(escape, user="ada", schema=schema)} == OWN
    found = postgres.run("SELECT n FROM matching('''secret''') AS n", user="app", schema=schema)
    assert found == []


def test_who_owns_the_tables_may_not_pretend(shared, postgres):
    """A scope that row-level security would not enforce is refused, with what to do."""
    schema, _ = shared
    with pytest.raises(StoreError, match="row-level security does not apply"):
        postgres.open(schema=schema, scope="team/ada")


def test_ranking_by_words_counts_own_texts_alone(shared, postgres):
    """How rare a word is elsewhere does not show in a tenant's scores."""
    schema, owner = shared
    store = postgres.open("app", schema=schema, scope="team/ada")
    before = store.lexical("secret", Filter(), limit=9)
    owner.add([Turn(f"secret {i}", scope="team/bob") for i in range(50)])
    assert store.lexical("secret", Filter(), limit=9) == before


def test_an_index_serves_tenants_too(shared, postgres, monkeypatch):
    """With HNSW and the words' index in use, a tenant still finds its own, and only those."""
    from lmort_memory.store.postgres import nearest, words

    schema, owner = shared
    texts = [f"note {i} about bees" for i in range(600)]
    for scope in ("team/ada", "team/bob"):
        owner.add(
            [Turn(text, scope=scope) for text in texts], space=SPACE, encoded=ENCODER.encode(texts)
        )
    big = postgres.open(schema=schema, graph_from=100)
    big.build_index()
    assert big.spaces()[0].indexed
    monkeypatch.setattr(nearest, "FEW", 50)
    monkeypatch.setattr(words, "ROWS", 100)
    store = postgres.open("app", schema=schema, scope="team/ada")
    query = ENCODER.encode_query("note 7 about bees")
    near = store.dense(SPACE, query, Filter(), limit=20)
    worded = store.lexical("note 7", Filter(), limit=20)
    for matches in (near, worded):
        records = store.get(m.id for m in matches).values()
        assert len(records) == len(matches) and {r.scope for r in records} <= OWN
        assert next(iter(records)).text == "note 7 about bees"
    assert np.isclose(near[0].score, 1, atol=1e-3)
