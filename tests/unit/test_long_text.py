"""What a long text asks for, and what is read of it."""

import pytest

from lmort_memory.chat.long_text import Parts, asked_in, excerpt
from lmort_memory.chat.repetition import Link, repeated

STORY = "It was dark in the valley, and the miller slept behind the warm stove. " * 12


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (f"Who slept?\n\n{STORY}", ["Who slept?"]),
        (f"{STORY}\n\nWho slept?", ["Who slept?"]),
        (f"Hello. Who slept?\n\n{STORY} Who knew?", ["Who slept?"]),
        (f"{STORY} Who slept?", ["Who slept?"]),
        (f"Chapter one\n\n{STORY} Who slept?", ["Chapter one", "Who slept?"]),
        (f"Sum up the brakes.\n\n{STORY} Who knew?", ["Sum up the brakes.", "Who knew?"]),
    ],
)
def test_what_is_asked_stands_at_an_end(text, asked):
    """In a paragraph of its own it is the person's; a document's own questions count less."""
    assert asked_in(text, [text[:450], text[-450:]]) == asked


def test_without_a_question_both_ends_count():
    """As a text that is only pasted."""
    assert asked_in(STORY * 2, [STORY, STORY[:99]]) == [STORY, STORY[:99]]


def test_where_no_chunk_has_room_its_beginning_is_read():
    """And never nothing."""
    parts = Parts([(0, len(STORY))], {0: 1.0}, None)
    read = excerpt(STORY, parts, budget=10, count_tokens=lambda text: len(text.split()))
    assert read and STORY.startswith(read) and len(read.split()) <= 10


def test_a_book_in_view_does_not_hide_what_is_repeated():
    """Of words that a book repeats, the place in a shorter text is found too."""
    book = " ".join(f"it stood at the end of chapter{i}" for i in range(1000))
    note = "at the end of the lane stands the old blue mill"
    (link,) = repeated(
        "at the end of the lane stands the old", {"b": book, "n": note}, verbatim=True
    )
    assert isinstance(link, Link) and link.record_id == "n"
