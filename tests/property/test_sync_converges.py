"""Three devices end up equal, whatever they did and whatever arrived when."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lmort_memory.store.replica.join import join
from lmort_memory.store.replica.state import PARTS, Part, RecordState, Version
from tests.support.sync_devices import cheap, live


@pytest.fixture(autouse=True, scope="module")
def _cheap():
    with cheap():
        yield


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(5, 25))
@example(seed=239, steps=42)  # a successor that was forgotten before it could arrive
@example(seed=1066, steps=66)  # and one that was found to be a twin before it could arrive
def test_devices_converge(seed, steps):
    """Adding, editing, forgetting, superseding and partial replication in any order converge."""
    live(seed, steps)


VERSIONS = st.builds(
    Version,
    st.integers(1, 4),
    st.sampled_from(["user", "note"]),
    st.sampled_from("ab"),
    st.sampled_from(["{}", '{"a":1}']),
    st.none() | st.integers(1, 2),
    st.integers(0, 2),
    st.sampled_from(["", "d", "e"]),
)
REGISTERS = st.builds(
    Part,
    st.integers(0, 2),
    st.sampled_from(["", "d", "e"]),
    st.tuples(st.none() | st.integers(0, 2), st.none() | st.sampled_from(["x", "y"])),
)
STATES = st.builds(
    lambda versions, parts: join(
        RecordState("id", "s", None, None, tuple(versions[:1]), parts),
        RecordState("id", "s", None, None, tuple(versions), parts),
    ),
    st.lists(VERSIONS, min_size=1, max_size=4),
    st.fixed_dictionaries(dict.fromkeys(PARTS, REGISTERS)),
)


@given(STATES, STATES, STATES)
def test_joining_is_a_semilattice(one, two, three):
    """States of a record join to the same whatever the order, the grouping and the repetition."""
    assert join(one, two) == join(two, one)
    assert join(join(one, two), three) == join(one, join(two, three))
    assert join(one, one) == one
    assert join(join(one, two), two) == join(one, two)
