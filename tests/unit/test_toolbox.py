"""The tools for models: whatever a model writes is done, or refused with a ValueError."""

import pytest

from lmort_memory import Memory
from lmort_memory.adapters.toolbox import Tools
from lmort_memory.store import SQLiteStore


@pytest.fixture
def tools(tmp_path):
    """The tools over a memory with one fact."""
    with Memory(None, SQLiteStore(tmp_path / "m.db")) as memory:
        memory.add("Ada keeps bees.")
        yield Tools(memory)


@pytest.mark.parametrize("limit", [1, "1", 1.0, 0, -3, 99, None, ""])
def test_a_limit_is_read_as_it_is_meant(tools, limit):
    """Numbers as text, none at all, and those out of range find what there is."""
    [found] = tools.call("lmort_recall", {"query": "bees", "limit": limit})
    assert found["text"] == "Ada keeps bees."


@pytest.mark.parametrize("limit", [[3], {"n": 3}, "three", float("inf"), float("nan")])
def test_a_limit_that_is_no_number_is_named(tools, limit):
    """The model is told what it wrote, and what was expected."""
    with pytest.raises(ValueError, match="limit must be a number from 1 to 20; found"):
        tools.call("lmort_recall", {"query": "bees", "limit": limit})


def test_a_call_that_cannot_be_is_named(tools):
    """An unknown tool and a missing argument are told apart."""
    with pytest.raises(ValueError, match="unknown tool 'lmort_sing'"):
        tools.call("lmort_sing", {})
    with pytest.raises(ValueError, match="lmort_recall needs the argument 'query'"):
        tools.call("lmort_recall", {"limit": 3})
