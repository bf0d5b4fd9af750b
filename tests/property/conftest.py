import pytest

from lmort_memory.store import connection


@pytest.fixture(autouse=True, scope="package")
def _no_waiting_for_the_disk():
    """Skip fsync: it guards against power cuts, which no test makes, and takes most of the time."""
    real = connection.PRAGMAS
    connection.PRAGMAS = real.replace("synchronous = FULL", "synchronous = OFF")
    assert real != connection.PRAGMAS
    yield
    connection.PRAGMAS = real
