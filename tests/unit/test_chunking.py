"""Chunks of long texts."""

from hypothesis import given
from hypothesis import strategies as st

from lmort_memory.encoder.chunking import chunk_tokens


def test_a_short_text_is_one_chunk():
    """Up to the width nothing is cut."""
    assert chunk_tokens("abc", [1, 2, 3], width=3, overlap=1) == [(0, 3)]
    assert chunk_tokens("", [], width=3, overlap=1) == []


def test_a_paragraph_is_the_best_place_to_break():
    """A break between paragraphs goes before one between sentences, and that before a word's."""
    text = "aaaa bbbb. cccc\n\ndddd. eeee ffff gggg hhhh iiii"
    ends = list(range(1, len(text) + 1))
    (_, stop), *_ = chunk_tokens(text, ends, width=30, overlap=0)
    assert text[:stop] == "aaaa bbbb. cccc\n\n"
    (_, stop), *_ = chunk_tokens(text.replace("\n\n", "  "), ends, width=30, overlap=0)
    assert text[:stop] == "aaaa bbbb. cccc\n\ndddd. "
    words = text.replace("\n\n", "  ").replace(".", ",")
    (_, stop), *_ = chunk_tokens(words, ends, width=30, overlap=0)
    assert words[:stop] == "aaaa bbbb, cccc  dddd, eeee "


def test_text_without_breaks_is_cut_at_the_width():
    """One endless word still becomes chunks of the width, with the overlap."""
    chunks = chunk_tokens("x" * 100, list(range(1, 101)), width=40, overlap=10)
    assert chunks == [(0, 40), (30, 70), (60, 100)]


@given(
    text=st.text(alphabet="ab .\n", max_size=200),
    width=st.integers(2, 40),
    overlap=st.integers(0, 20),
)
def test_chunks_cover_every_token(text, width, overlap):
    """Whatever the text, chunks ascend, are no wider than allowed and leave no token out."""
    ends = list(range(1, len(text) + 1))
    chunks = chunk_tokens(text, ends, width=width, overlap=overlap)
    covered = {i for start, stop in chunks for i in range(start, stop)}
    assert covered == set(range(len(text)))
    assert all(0 < stop - start <= width for start, stop in chunks)
    assert chunks == sorted(set(chunks))
