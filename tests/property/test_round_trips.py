"""Whatever is stored comes back: texts, metadata, times, vectors, exports."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lmort_memory.memory.transfer import from_line, to_line
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.clock import from_us, to_us
from lmort_memory.store.values import Dumped
from lmort_memory.text import valid, valid_json
from lmort_memory.types import Encoded, Record, Source, Turn

TEXTS = st.text(min_size=1, max_size=60).map(valid).filter(str.strip)  # as they enter
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
METADATA = st.dictionaries(st.text(max_size=6), JSON, max_size=3).map(valid_json)
TIMES = st.datetimes(timezones=st.just(UTC))
SOURCES = st.none() | st.builds(
    Source, TEXTS, st.none() | st.integers(0, 10**9), st.none() | st.integers(0, 10**9)
)
VECTORS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.just(4)),
    elements=st.floats(-1, 1, width=16),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One database for all examples."""
    with SQLiteStore(tmp_path_factory.mktemp("trips") / "memory.db") as store:
        yield store


@settings(max_examples=60, deadline=None)
@given(
    turn=st.builds(
        Turn,
        TEXTS,
        role=TEXTS,
        scope=TEXTS,
        session=st.none() | TEXTS,
        created_at=st.none() | TIMES,
        metadata=METADATA,
        source=SOURCES,
    ),
    vectors=VECTORS,
)
def test_a_turn_comes_back_as_it_was(store, turn, vectors):
    """Any text, metadata, time and finite vector is read as it was written."""
    encoded = Encoded(vectors, tuple((i, i + 1) for i in range(len(vectors))))
    record = store.add([turn], space="trips", encoded=[encoded])[0].record
    read = store.get([record.id])[record.id]
    assert read == record
    assert (read.text, read.role, read.scope, read.session) == (
        turn.text,
        turn.role,
        turn.scope,
        turn.session,
    )
    assert (read.metadata, read.source) == (turn.metadata, turn.source)
    assert turn.created_at is None or read.created_at == turn.created_at
    found = store.vectors("trips", [record.id])[record.id]
    assert np.array_equal(found.vectors, vectors) and found.spans == encoded.spans
    assert store.forget(Filter(ids=(record.id,))).records == 1


@given(
    record=st.builds(
        Record,
        id=TEXTS,
        text=TEXTS,
        role=TEXTS,
        scope=TEXTS,
        session=st.none() | TEXTS,
        created_at=TIMES,
        updated_at=TIMES,
        metadata=METADATA,
        source=SOURCES,
        expires_at=st.none() | TIMES,
    ),
    origin=st.none() | st.binary(min_size=16, max_size=16),
    vectors=VECTORS,
)
def test_an_exported_line_brings_the_record_back(record, origin, vectors):
    """One line of JSON holds every field of a record, and its vectors bit by bit."""
    encoded = Encoded(vectors, tuple((i, i + 1) for i in range(len(vectors))))
    line = to_line(Dumped(record, origin, {"a space": encoded}))
    again = from_line(line)
    assert "\n" not in line
    assert (again.record, again.origin) == (record, origin)
    assert np.array_equal(again.vectors["a space"].vectors, vectors)
    assert again.vectors["a space"].spans == encoded.spans


@given(TIMES)
def test_times_keep_their_microseconds(when):
    """A time survives as whole microseconds, from year 1 to 9999."""
    assert from_us(to_us(when)) == when


@given(st.datetimes())
def test_naive_times_are_refused(when):
    """A time without a zone is never guessed."""
    with pytest.raises(ValueError, match="time zone"):
        to_us(when)


@given(st.binary(max_size=40) | TEXTS)
def test_foreign_lines_are_value_errors(line):
    """Whatever a line holds, reading it either works or is a ValueError."""
    text = line.decode("latin-1") if isinstance(line, bytes) else line
    with pytest.raises(ValueError):
        from_line(text)


def test_datetime_epoch():
    """The epoch is zero."""
    assert to_us(datetime(1970, 1, 1, tzinfo=UTC)) == 0
