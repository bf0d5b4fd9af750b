"""A rule's results for short texts are kept; those of long texts are not."""

import pytest

from lmort_memory.memory.caching import cached


@pytest.fixture
def judged():
    """The texts that the rule has judged."""
    return []


@pytest.fixture
def length(judged):
    """A rule with a cache."""

    @cached
    def length(text: str) -> int:
        """Return the length."""
        judged.append(text)
        return len(text)

    return length


def test_a_short_text_is_judged_once(length, judged):
    """The second question about a text is answered from the cache."""
    assert [length("bees"), length("bees"), length("honey")] == [4, 4, 5]
    assert judged == ["bees", "honey"]
    assert length.__doc__ == "Return the length."


def test_a_long_text_is_not_kept(length, judged):
    """A pasted book is judged anew each time, and leaves memory with its caller."""
    book = "bees " * 1000
    assert length(book) == length(book) == 5000
    assert len(judged) == 2
