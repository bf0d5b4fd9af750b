"""What the adapters' tests share: memories, with a tiny encoder or with the default model."""

import pytest

from lmort_memory import Memory
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder


@pytest.fixture
def memory(tmp_path):
    """An empty memory with a deterministic encoder."""
    with Memory(HashEncoder(), SQLiteStore(tmp_path / "memory.db")) as memory:
        yield memory


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A memory with the default model."""
    with Memory.open(tmp_path_factory.mktemp("real") / "memory.db") as memory:
        yield memory
