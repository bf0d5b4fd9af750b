import pytest

from lmort_memory.store import connection

REAL = connection.PRAGMAS
FAST = REAL.replace("synchronous = FULL", "synchronous = OFF")
assert FAST != REAL


@pytest.fixture(autouse=True, scope="module")
def _no_waiting_for_the_disk():
    """Skip fsync: it guards against power cuts, which no test makes, and takes most of the time."""
    connection.PRAGMAS = FAST
    yield
    connection.PRAGMAS = REAL
