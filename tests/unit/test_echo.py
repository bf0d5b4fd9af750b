"""What counts as a repetition of texts in view, and what is kept of it."""

import pytest

from lmort_memory.chat.repetition import Link, join, repeated

NOTE = "My sister Ada keeps bees on the roof of the harbour office in Trondheim."
SHOWN = {"a": NOTE, "b": "The ferry leaves at nine."}


@pytest.mark.parametrize(
    "text",
    [
        NOTE,
        NOTE.upper(),
        "the ferry leaves at nine",
        "You said: " + NOTE,
        "My sister Ada keeps bees on the roof of the harbour office. The ferry leaves at nine!",
    ],
)
def test_a_reply_that_says_the_notes_again_is_links(text):
    """Whole, in other case, framed by a few words, or put together from several."""
    parts = repeated(text, SHOWN, verbatim=False)
    assert parts is not None
    said = join(parts, SHOWN).casefold().rstrip(".!")
    assert said.split() == text.casefold().rstrip(".!").split() or len(parts) > 1
    assert {part.record_id for part in parts if isinstance(part, Link)} <= SHOWN.keys()


@pytest.mark.parametrize(
    "text", [f"{NOTE} (I, Thu 26 Nov 2026, today)", f"- {NOTE} (I, Thu 26 Nov 2026, TODAY)\n"]
)
def test_the_label_of_a_note_is_no_word_of_ones_own(text):
    """A small model repeats it too; what is kept is the record alone."""
    labels = ["I, Thu 26 Nov 2026, today"]
    assert repeated(text, SHOWN, verbatim=False, labels=labels) == (Link("a", 0, len(NOTE)),)
    assert repeated("(I, Thu 26 Nov 2026, today)", SHOWN, verbatim=False, labels=labels) is None


@pytest.mark.parametrize(
    "text",
    [
        "Ada lives in Trondheim.",
        "Your sister has bees, and the office where she keeps them is near the harbour.",
        "Nine.",
        "...",
        "",
    ],
)
def test_an_answer_in_own_words_is_new(text):
    """A few shared words make no repetition."""
    assert repeated(text, SHOWN, verbatim=False) is None


def test_a_person_who_changes_a_word_means_that_word():
    """Of a user's turns only what is word for word there counts as said before."""
    changed = NOTE.replace("Trondheim", "Bergen")
    assert repeated(changed, SHOWN, verbatim=False) is not None
    assert repeated(changed, SHOWN, verbatim=True) is None
    assert repeated("Ada keeps bees on the roof", SHOWN, verbatim=True) == (Link("a", 10, 36),)


def test_what_is_forgotten_is_left_out_of_what_is_joined():
    """Links to records that are gone say nothing; own words stay."""
    parts = repeated("You said: " + NOTE, SHOWN, verbatim=False)
    assert join(parts, {}) == "You said: ."
    assert join(parts, {"a": NOTE}) == "You said: " + NOTE
