"""A rule's results for short texts are kept; those of long texts are not."""

from lmort_memory.memory.caching import cached


def test_a_short_text_is_judged_once():
    """The second question about a text is answered from the cache."""
    judged = []

    @cached
    def length(text: str) -> int:
        """Return the length."""
        judged.append(text)
        return len(text)

    assert [length("bees"), length("bees"), length("honey")] == [4, 4, 5]
    assert judged == ["bees", "honey"]
    assert length.__doc__ == "Return the length."


def test_a_long_text_is_not_kept():
    """A pasted book is judged anew each time, and leaves memory with its caller."""
    judged = []

    @cached
    def length(text: str) -> int:
        judged.append(text)
        return len(text)

    book = "bees " * 1000
    assert length(book) == length(book) == 5000
    assert len(judged) == 2
