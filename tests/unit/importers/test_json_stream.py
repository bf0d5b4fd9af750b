"""Reading a JSON list of any length."""

import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmort_memory.importers import json_stream
from lmort_memory.importers.json_stream import iter_json_list
from lmort_memory.text import valid

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


class Drip(io.BytesIO):
    """A stream that gives at most three bytes at a time, as a slow pipe may."""

    def read(self, size=-1):
        """Return up to three bytes."""
        return super().read(3)


@given(st.lists(VALUES), st.booleans(), st.sampled_from([None, 2]))
@settings(deadline=None)
def test_any_list_comes_out_as_it_went_in(values, ascii_only, indent):
    """Wherever the blocks end, the elements are those that json.loads gives."""
    text = json.dumps(values, ensure_ascii=ascii_only, indent=indent)
    assert list(iter_json_list(Drip(text.encode()))) == values


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[1, 2",
        b"[1 2]",
        b"[1,]",
        b'["a',
        b"[1] x",
        b"[1]]",
        b"[tru]",
        b"\xff[1]",
    ],
)
def test_what_is_no_list_is_an_error(data):
    """A damaged list raises and never ends as if it were complete."""
    with pytest.raises(ValueError):
        list(iter_json_list(io.BytesIO(data)))


def test_a_lone_object_is_one_element():
    """A file of one conversation is read like a list of one."""
    assert list(iter_json_list(io.BytesIO(b' {"a": [1]}\n'))) == [{"a": [1]}]


def test_bytes_that_are_not_utf8_wait_as_surrogates():
    """A bad byte costs one character, which `lmort_memory.text` replaces and counts."""
    (text,) = iter_json_list(io.BytesIO(b'["caf\xe9"]'))
    assert valid(text) == "caf\ufffd"


@pytest.mark.parametrize(
    "bad",
    [
        "[" * 5_000 + "]" * 5_000,
        '{"a": ' * 5_000 + '"\\"]}"' + "}" * 5_000,
    ],
)
def test_an_element_that_is_too_deep_is_stepped_over(bad):
    """The elements around a hostile one are read, and it is named."""
    damage = []
    data = f'["one", {bad}, "two"]'.encode()
    assert list(iter_json_list(io.BytesIO(data), damaged=damage.append)) == ["one", "two"]
    assert damage == ["element 2: the JSON is nested too deeply"]


def test_an_element_that_is_too_long_is_stepped_over(monkeypatch):
    """A giant among the elements costs itself alone."""
    monkeypatch.setattr(json_stream, "MAX_ELEMENT_CHARS", 1000)
    monkeypatch.setattr(json_stream, "_BLOCK", 100)
    damage = []
    data = json.dumps(["one", ["x" * 5_000, 'a "]" \\'], "two"]).encode()
    assert list(iter_json_list(io.BytesIO(data), damaged=damage.append)) == ["one", "two"]
    assert damage == ["element 2: it is longer than 1000 characters"]


def test_an_element_of_too_many_values_is_stepped_over(monkeypatch):
    """A short text of many small values would fill the memory."""
    monkeypatch.setattr(json_stream, "MAX_VALUES", 1000)
    monkeypatch.setattr(json_stream, "_BLOCK", 100)
    damage = []
    data = json.dumps(["one", [[]] * 5_000, "two"]).encode()
    assert list(iter_json_list(io.BytesIO(data), damaged=damage.append)) == ["one", "two"]
    assert damage == ["element 2: it holds more than 1000 values"]


def test_white_space_ends(monkeypatch):
    """Spaces without end are given up, with the number in the message."""
    monkeypatch.setattr(json_stream, "MAX_SPACE_CHARS", 1000)
    monkeypatch.setattr(json_stream, "_BLOCK", 100)
    with pytest.raises(ValueError, match="more than 1000 characters of white space"):
        list(iter_json_list(io.BytesIO(b"[1," + b" " * 5_000 + b"2]")))


def test_deep_nesting_is_an_error():
    """A hostile file cannot exhaust the stack."""
    data = b"[" * 200_000
    with pytest.raises(ValueError, match="deep"):
        list(iter_json_list(io.BytesIO(data)))


def test_an_endless_element_is_an_error(monkeypatch):
    """A string without an end is given up at the limit, not at the end of memory."""
    monkeypatch.setattr(json_stream, "MAX_ELEMENT_CHARS", 1000)
    monkeypatch.setattr(json_stream, "_BLOCK", 100)
    with pytest.raises(ValueError, match="longer than 1000"):
        list(iter_json_list(io.BytesIO(b'["' + b"x" * 100_000)))


def test_memory_is_bounded_by_the_largest_element():
    """A list of 24 MB in elements of 24 KB is read in a few megabytes."""

    class Endless(io.RawIOBase):
        """Gives the same element again and again, never holding the whole."""

        def __init__(self):
            element = json.dumps({"text": "x" * 24_000}).encode()
            self.blocks = iter([b"[" + element, *[b"," + element] * 999, b"]"])
            self.rest = b""

        def read(self, size=-1):
            """Return the next bytes."""
            while len(self.rest) < size and (block := next(self.blocks, b"")):
                self.rest += block
            given, self.rest = self.rest[:size], self.rest[size:]
            return given

    tracemalloc.start()
    count = sum(1 for _ in iter_json_list(Endless()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 1000
    assert peak < 8 * 2**20


@pytest.mark.parametrize(
    "broken",
    ['{"a": "\\x41"}', '{"a" 1}', '{"a": [1 2]}', '{"a": "so "quoted" it"}', "{'a': 1}",
     '{"a": %s}' % ("9" * 5000)],
)  # fmt: skip
@pytest.mark.parametrize("filler", [0, 3_000_000])
def test_an_element_that_is_no_json_costs_itself(broken, filler):
    """A conversation that a program wrote wrongly is named, and those around it are read."""
    problems = []
    text = f'[{{"n": 1}}, {broken}, {{"n": 2, "filler": "{"x" * filler}"}}]'
    found = list(iter_json_list(io.BytesIO(text.encode()), damaged=problems.append))
    assert [element["n"] for element in found] == [1, 2]
    assert len(problems) == 1 and problems[0].startswith("element 2: it is no JSON")
    with pytest.raises(ValueError, match="it is no JSON"):
        list(iter_json_list(io.BytesIO(text.encode())))
