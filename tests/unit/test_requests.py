"""Bodies of requests, as clients send them."""

import msgspec
import pytest

from lmort_memory.serve.http import ApiError, from_json


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb'"cut \ud83d"', "cut \ufffd"),
        (rb'"\uDE00 cut"', "\ufffd cut"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\ud83d\\ude00"', "\ufffd\\ude00"),
        (rb'"C:\\ud83d"', "C:\\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
    ],
)
def test_half_an_emoji_becomes_a_replacement(body, text):
    """A client that cuts a text by UTF-16 units is answered, as its file would be imported."""
    assert from_json(body, str) == text


@pytest.mark.parametrize(
    "body", [b"", b'"', b"\xff", b"[" * 100_000, rb'"\ud8"', b'"\xed\xa0\x80"']
)
def test_what_is_no_json_is_status_400(body):
    """And never a fault of the server."""
    with pytest.raises(ApiError) as refused:
        from_json(body, object)
    assert refused.value.status == 400


def test_another_kind_is_told_apart():
    """Each API has its own status for it."""
    with pytest.raises(msgspec.ValidationError):
        from_json(b"5", str)
