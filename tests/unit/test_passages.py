"""The part of a long text that is shown where only words found it."""

from lmort_memory.memory.passages import passage

FILLER = "The weather over the fjord was mild, and the boats stayed out until evening. "
FACT = "The code of the garden shed is 8306, and the key hangs behind the boiler. "


def test_the_passage_holds_what_is_asked():
    """It is at most 600 characters, and begins and ends at words."""
    text = FILLER * 40 + FACT + FILLER * 40
    start, end = passage(text, "What is the code of the shed?")
    assert FACT.strip() in text[start:end] and end - start <= 600
    assert text[start - 1].isspace() and text[end].isspace()


def test_a_short_text_has_no_passage():
    """It is shown whole."""
    assert passage(FILLER + FACT, "What is the code?") is None


def test_without_a_shared_word_it_is_the_beginning():
    """So too if nothing is asked, and where a text has no spaces to cut at."""
    assert passage(FILLER * 40, "Quo vadis?")[0] == 0
    assert passage("蜜蜂" * 1000, "") == (0, 600)


def test_a_page_may_ask_a_book():
    """A chat's turn may be an excerpt of thousands of words: the longest of them count."""
    words = " ".join(f"word{i}" for i in range(3000))
    text = FILLER * 1000 + "word2999 " + FILLER * 1000
    start, end = passage(text, words + " word2999")
    assert 0 <= start < end <= len(text)
