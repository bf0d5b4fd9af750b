"""Metadata filters, against the grammar written out in Python."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.types import Turn

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, -1.5, 2.0]),
    st.sampled_from(["", "a", "ab", "ABBA", "ä", "'; DROP TABLE records; --", '"', "1", "true"]),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.just({"x": 1}))
KEYS = st.sampled_from(["k", "a.b", 'quo"te', "x$.k", "ключ"])
ORDER = ["$gt", "$gte", "$lt", "$lte"]
ORDERED = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 2.0]), st.sampled_from(["a", "ab"]))
OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne"]), VALUES),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(VALUES, max_size=2)),
    st.tuples(st.sampled_from(ORDER), ORDERED),
    st.tuples(st.just("$contains"), SCALARS),
).map(lambda pair: {pair[0]: pair[1]})
LEAVES = st.dictionaries(KEYS, st.one_of(SCALARS, OPERATIONS), max_size=2)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda one: {"$not": one}, inner),
        st.builds(lambda parts: {"$and": parts}, st.lists(inner, max_size=2)),
        st.builds(lambda parts: {"$or": parts}, st.lists(inner, max_size=2)),
    ),
    max_leaves=4,
)
METADATA = st.lists(st.dictionaries(KEYS, VALUES, max_size=3), min_size=1, max_size=6)


def same(left, right):
    """Equality of JSON: numbers by value, and true is not a number."""
    kinds = [
        bool if isinstance(v, bool) else float if isinstance(v, int | float) else type(v)
        for v in (left, right)
    ]
    if kinds[0] is not kinds[1]:
        return False
    if isinstance(left, list | dict):
        return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    return left == right


def _operate(name, value, operand, present):
    if name in ("$ne", "$nin"):
        return not _operate("$eq" if name == "$ne" else "$in", value, operand, present)
    if name == "$in":
        return any(_operate("$eq", value, one, present) for one in operand)
    if not present:
        return name == "$eq" and operand is None
    if name == "$eq":
        return same(value, operand)
    if name == "$contains":
        if isinstance(value, str) and isinstance(operand, str):
            return operand in value
        return isinstance(value, list) and any(same(one, operand) for one in value)
    if isinstance(value, bool) or isinstance(operand, str) != isinstance(value, str):
        return False
    if not isinstance(value, int | float | str):
        return False
    return {
        "$gt": value > operand,
        "$gte": value >= operand,
        "$lt": value < operand,
        "$lte": value <= operand,
    }[name]


def holds(where, metadata):
    """The grammar, as the module's docstring describes it."""
    for key, value in where.items():
        if key == "$not":
            found = not holds(value, metadata)
        elif key == "$and":
            found = all(holds(one, metadata) for one in value)
        elif key == "$or":
            found = any(holds(one, metadata) for one in value)
        else:
            operations = value if isinstance(value, dict) else {"$eq": value}
            found = all(
                _operate(name, metadata.get(key), operand, key in metadata)
                for name, operand in operations.items()
            )
        if not found:
            return False
    return True


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One database for all examples."""
    with SQLiteStore(tmp_path_factory.mktemp("filters") / "memory.db") as store:
        yield store


@settings(max_examples=80, deadline=None)
@given(where=FILTERS, records=METADATA)
def test_sql_agrees_with_the_grammar(store, where, records):
    """For any filter and metadata, SQL chooses what the grammar chooses; nothing is injected."""
    session = str(id(records))
    turns = [Turn("x", session=session, metadata=metadata) for metadata in records]
    ids = {one.record.id: one.record.metadata for one in store.add(turns)}
    found = {r.id for r in store.records(Filter(session=session, where=where)) if r.id in ids}
    expected = {id_ for id_, metadata in ids.items() if holds(where, metadata)}
    assert found == expected


@pytest.mark.parametrize(
    "where",
    [
        {"$xor": []},
        {"k": {"$like": "a"}},
        {"k": {"$in": "abc"}},
        {"$or": {"k": 1}},
        {"$not": [1]},
        {"k": {"$gt": None}},
        {"k": {"$gt": True}},
        {"k": float("nan")},
        {"k": 2**80},
        {"k": object()},
    ],
)
def test_a_filter_outside_the_grammar_is_refused(store, where):
    """A filter that is not of the grammar raises ValueError instead of finding nothing."""
    with pytest.raises(ValueError):
        next(store.records(Filter(where=where)), None)


def test_a_filter_nested_too_deep_is_refused(store):
    """Hostile nesting ends in ValueError and not in a crash of SQLite's parser."""
    where = {"k": 1}
    for _ in range(100):
        where = {"$not": where}
    with pytest.raises(ValueError, match="at most 32 levels"):
        next(store.records(Filter(where=where)), None)
