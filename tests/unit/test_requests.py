"""Requests, as clients and attackers send them."""

import asyncio

import msgspec
import pytest
from starlette.requests import Request

from lmort_memory.serve.guard import LOOPBACK, Guard
from lmort_memory.serve.http import ApiError, from_json, in_words
from lmort_memory.serve.inputs import AddRecord


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


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("role", "user\\n", "a name without control characters"),
        ("session", "a\\u001bb", "a name without control characters"),
        ("text", " \\n", "a text that is not only white space"),
        ("created_at", "2024-05-01", "a time with its zone, such as 2024-05-01T09:30:00Z"),
        ("created_at", "2024-05-01T09:30:00Z\\n", "a time with its zone"),
    ],
)
def test_a_form_is_named_by_what_it_is(field, value, words):
    """Not by a regular expression; and a line end after a name is one in it."""
    body = f'{{"text": "x", "{field}": "{value}"}}'.replace('"text": "x", "text"', '"text"')
    with pytest.raises(msgspec.ValidationError) as refused:
        from_json(body.encode(), AddRecord)
    assert f"Expected {words}" in in_words(refused.value)
    assert f"`$.{field}`" in in_words(refused.value)


def status_of(host):
    """Return the status of a request that addresses the server by this Host."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/health",
        "headers": [(b"host", host.encode())],
    }
    asyncio.run(Guard(app, token=None, hosts=LOOPBACK)(scope, None, send))
    return sent[0]["status"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:7373", "LOCALHOST:1", "[::1]", "[::1]:7373"]
)
def test_the_servers_own_names_are_answered(host):
    """With and without a port."""
    assert status_of(host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.com",
        "localhost.evil.com",
        "localhost:evil.com",
        "[::1].evil.com",
        "[::1]evil.com:80",
        "evil.com:80@127.0.0.1",
        "127.0.0.1:80:80",
    ],
)
def test_a_name_that_only_begins_like_ours_is_refused(host):
    """What follows a name is a port or nothing."""
    assert status_of(host) == 421


def test_a_request_that_breaks_off_ends_in_silence():
    """A client that leaves in the middle of its body is not a fault of the server."""

    async def app(scope, receive, send):
        await Request(scope, receive).body()

    async def receive():
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/embeddings",
        "headers": [(b"host", b"localhost")],
    }
    asyncio.run(Guard(app, token=None, hosts=LOOPBACK)(scope, receive, None))
