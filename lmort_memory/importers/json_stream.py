"""Read a JSON list of any length, element by element, in memory bounded by its largest element.

The window of text grows until the next element parses, and is dropped once it has. Exports of
chats are one list of gigabytes whose elements, the conversations, are small. An element that is too
long or nested too deeply is stepped over, and the rest is read.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Protocol

from lmort_memory.text import marked_encoding
from lmort_memory.types import JsonValue

__all__ = ["MAX_ELEMENT_CHARS", "Bytes", "iter_json_list"]

MAX_ELEMENT_CHARS = 32 * 1024 * 1024  # a conversation of 5,000 long messages
MAX_VALUES = 4_000_000  # lists, objects and commas: some 100 bytes each, however short they are
MAX_SPACE_CHARS = 16 * 1024 * 1024  # no printer indents by so much
MAX_DEPTH = 100_000  # of an element that is stepped over; what is read nests less than 1,000
_BLOCK = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")
# An error this close to the window's end may only mean that the rest has not been read: the
# longest lexeme that can be cut without an "unterminated string" is a surrogate pair's escape.
_LEXEME = 16
_MARK = re.compile(r'[\[\]{}"]')
_IN_STRING = re.compile(r'["\\]')


class Bytes(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


def iter_json_list(
    stream: Bytes, *, damaged: Callable[[str], None] | None = None
) -> Iterator[JsonValue]:
    """Yield the elements of the JSON list that `stream` holds; a lone object is its one element.

    Bytes that are not UTF-8 come out as lone surrogates, which `lmort_memory.text.valid` replaces
    and counts.

    Args:
        stream: Bytes of JSON.
        damaged: Told why an element is stepped over; without it, such an element is an error.

    Raises:
        ValueError: not a JSON list, or cut off.
    """
    window = _Window(stream)
    sign = window.next_sign()
    if sign == "{":
        yield window.parse()
    elif sign == "[":
        yield from _elements(window, damaged)
    else:
        raise ValueError("not a JSON list")
    if window.next_sign():
        raise ValueError("the JSON list is followed by something else")


def _elements(window: _Window, damaged: Callable[[str], None] | None) -> Iterator[JsonValue]:
    window.at += 1
    if window.next_sign() == "]":
        window.at += 1
        return
    number = 0
    while True:
        number += 1
        try:
            element = window.parse()
        except _StepOverError as error:
            if damaged is None:
                raise
            window.skip()
            damaged(f"element {number}: {error}")
        else:
            yield element
        sign = window.next_sign()
        window.at += 1
        if sign == "]":
            return
        if sign != ",":
            raise ValueError(f"found {sign!r} between two elements of a JSON list, not a comma")


class _StepOverError(ValueError):
    """An element that cannot be taken in, and may be stepped over."""


class _Window:
    """The part of the text that is in memory, and the place of reading in it."""

    def __init__(self, stream: Bytes) -> None:
        self.at = 0
        self._stream = stream
        self._decoder: codecs.IncrementalDecoder | None = None
        self._text = ""
        self._ended = False
        # Not strict: exports hold tabs and line ends in strings as they are.
        self._parser = json.JSONDecoder(strict=False)

    def next_sign(self) -> str:
        """Return the next character that is not white space, or "" at the end."""
        passed = 0
        while True:
            space = _SPACE.match(self._text, self.at)
            assert space is not None, "the pattern matches the empty text"
            passed += space.end() - self.at
            self.at = space.end()
            if self.at < len(self._text):
                return self._text[self.at]
            if passed > MAX_SPACE_CHARS:
                raise ValueError(f"it holds more than {MAX_SPACE_CHARS} characters of white space")
            if not self._grow(_BLOCK):
                return ""

    def parse(self) -> JsonValue:
        """Parse the value that begins at the next sign and step over it."""
        self.next_sign()
        while True:
            try:
                value, end = self._parser.raw_decode(self._text, self.at)
            except json.JSONDecodeError as error:
                self._grow_after(error)
            except RecursionError as error:
                raise _StepOverError("the JSON is nested too deeply") from error
            except ValueError as error:  # a number of more digits than Python reads
                raise self._unreadable(str(error).partition(";")[0]) from error
            else:
                if end < len(self._text) or self._ended:
                    self.at = end
                    return value  # type: ignore[no-any-return]
                self._grow(_BLOCK)  # a number may go on

    def skip(self) -> None:
        """Step over the list or object that begins here, keeping none of it.

        Raises:
            ValueError: it does not end.
        """
        depth, inside = 0, False
        while True:
            mark = (_IN_STRING if inside else _MARK).search(self._text, self.at)
            if mark is None:
                self.at = len(self._text)
                if not self._grow(_BLOCK):
                    raise ValueError("the JSON list is cut off")
                continue
            self.at = mark.end()
            if mark[0] == '"':
                inside = not inside
            elif mark[0] == "\\":
                if self.at == len(self._text):
                    self._grow(_BLOCK)
                self.at += 1
            else:
                depth += 1 if mark[0] in "[{" else -1
                if depth > MAX_DEPTH:
                    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
            if not depth and not inside:
                return

    def _grow_after(self, error: json.JSONDecodeError) -> None:
        """Read as much again as the window holds, if that can mend the error."""
        unended = error.msg.startswith("Unterminated")
        inside = not unended and error.pos < len(self._text)  # the end of the file does not mend it
        if not unended and error.pos < len(self._text) - _LEXEME:
            raise self._unreadable(error.msg) from error
        size = len(self._text) - self.at
        if size > MAX_ELEMENT_CHARS:
            raise _StepOverError(f"it is longer than {MAX_ELEMENT_CHARS} characters")
        if not self._grow(min(max(size, _BLOCK), MAX_ELEMENT_CHARS)):
            raise (
                self._unreadable(error.msg) if inside else ValueError("the JSON list is cut off")
            )
        if sum(map(self._text.count, "[{,")) > MAX_VALUES:
            raise _StepOverError(f"it holds more than {MAX_VALUES} values")

    def _unreadable(self, reason: str) -> ValueError:
        """Return the error of a value that is no JSON: one in brackets may be stepped over."""
        reason = f"it is no JSON: {reason}"
        stepped_over = self._text[self.at : self.at + 1] in ("{", "[")
        return _StepOverError(reason) if stepped_over else ValueError(reason)

    def _grow(self, size: int) -> bool:
        if self._ended:
            return False
        block = self._stream.read(size)
        self._ended = not block
        decoder = self._decoder = self._decoder or _decoder(block)
        self._text = self._text[self.at :] + decoder.decode(block, final=self._ended)
        self.at = 0
        return not self._ended


def _decoder(first: bytes) -> codecs.IncrementalDecoder:
    """Return the decoder of a file that begins so: what its mark declares, else UTF-8."""
    if wide := marked_encoding(first):
        return codecs.getincrementaldecoder(wide)("replace")
    return codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
