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


def test_without_a_shared_word_there_is_none():
    """So too if nothing is asked."""
    assert passage(FILLER * 40, "Quo vadis?") is None
    assert passage(FILLER * 40, "") is None


def test_letters_that_change_length_move_nothing():
    """As ß does where case is folded."""
    filler = "Die große Straße heißt Maßstraße und draußen fließt der weiße Fluss. " * 100
    fact = "Der Code des Schuppens ist 8306. "
    text = filler + fact + filler
    start, end = passage(text, "Wie lautet der Code vom Schuppen?")
    assert "8306" in text[start:end]


def test_scripts_without_spaces_are_searched_by_pairs():
    """And cut anywhere."""
    text = "日本語の文章" * 400 + "鍵はここです" + "日本語の文章" * 400
    start, end = passage(text, "鍵はどこ")
    assert "鍵はここです" in text[start:end] and end - start == 600


def test_a_page_may_ask_a_book():
    """A chat's turn may be an excerpt of thousands of words: the longest of them count."""
    words = " ".join(f"word{i}" for i in range(3000))
    text = FILLER * 1000 + "word2999 " + FILLER * 1000
    start, end = passage(text, words + " word2999")
    assert 0 <= start < end <= len(text)


def test_words_with_vowel_signs_are_whole_words():
    """In Hindi a sign that is no letter stands inside a word and at its end."""
    filler = "मौसम अच्छा था और नावें शाम तक बाहर रहीं। " * 40
    text = filler + "दूध वाले का नंबर रसोई की दीवार पर है। " + filler
    start, end = passage(text, "दूध वाले का नंबर")
    assert "दूध" in text[start:end]
