"""What is in a bundle is the changes of a device, or a ValueError."""

import json
import zlib

import pytest

from lmort_memory.sync import wire

NOTHING = {"name": "a", "records": [], "ledgers": [], "forgotten": [], "twins": []}
INFINITE = float("inf")
RECORD = {
    **dict.fromkeys(("session", "uri", "origin")),
    **dict.fromkeys(("id", "scope"), "x"),
    "vectors": {},
    "versions": [[1, "user", "x", "{}", None]],
    "parts": {name: [0, "", [1, None, None]] for name in ("place", "begin", "end")},
}


def packed(value):
    """Return a value as a bundle holds it."""
    return zlib.compress(json.dumps(value).encode())


def test_changes_are_read():
    """The smallest ones, so that what is refused below is refused for what is in it."""
    changes = wire.decode(packed({**NOTHING, "records": [RECORD], "forgotten": ["y"]}))
    assert (changes.records[0].current.text, changes.forgotten) == ("x", ("y",))


@pytest.mark.parametrize(
    "data",
    [
        b"not compressed",
        zlib.compress(b"not JSON"),
        zlib.compress(b"[" * 200_000),
        zlib.compress(b'{"records":' * 200_000),
        packed([]),
        packed({**NOTHING, "twins": [["x"]]}),
        packed({**NOTHING, "ledgers": [[]]}),
        packed({**NOTHING, "records": [{"id": "x"}]}),
        packed({**NOTHING, "records": [{**RECORD, "versions": [[1, "", "", "[" * 99_999, 0]]}]}),
        packed({**NOTHING, "records": [{**RECORD, "vectors": {"s": {"spans": [[0, INFINITE]]}}}]}),
    ],
)
def test_what_no_device_wrote_is_refused(data):
    """However it is wrong: no other error comes through."""
    with pytest.raises(ValueError, match=r"."):
        wire.decode(data)
