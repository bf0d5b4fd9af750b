"""Read a JSON list of any length, element by element, in memory bounded by its largest element.

The window of text grows until the next element parses, and is dropped once it has. Exports of
chats are one list of gigabytes whose elements, the conversations, are small.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import IO

from lmort_memory.types import JsonValue

__all__ = ["MAX_ELEMENT_CHARS", "iter_json_list"]

MAX_ELEMENT_CHARS = 256 * 1024 * 1024  # far above any conversation; stops a broken or hostile file
_BLOCK = 1 << 20
_SPACE = " \t\r\n"
# An error this close to the window's end may only mean that the rest has not been read: the
# longest lexeme that can be cut without an "unterminated string" is a surrogate pair's escape.
_LEXEME = 16


def iter_json_list(stream: IO[bytes]) -> Iterator[JsonValue]:
    """Yield the elements of the JSON list that `stream` holds.

    Raises:
        ValueError: not UTF-8, not a JSON list, cut off, or an element is over the limit.
    """
    window = _Window(stream)
    if window.next_sign() != "[":
        raise ValueError("not a JSON list")
    window.at += 1
    if window.next_sign() == "]":
        window.at += 1
    else:
        while True:
            yield window.parse()
            sign = window.next_sign()
            window.at += 1
            if sign == "]":
                break
            if sign != ",":
                raise ValueError(f"found {sign!r} between two elements of a JSON list, not a comma")
    if window.next_sign():
        raise ValueError("the JSON list is followed by something else")


class _Window:
    """The part of the text that is in memory, and the place of reading in it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.at = 0
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._text = ""
        self._ended = False
        self._parser = json.JSONDecoder()

    def next_sign(self) -> str:
        """Return the next character that is not white space, or "" at the end."""
        while True:
            while self.at < len(self._text):
                if self._text[self.at] not in _SPACE:
                    return self._text[self.at]
                self.at += 1
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
                raise ValueError("the JSON is nested too deeply") from error
            else:
                if end < len(self._text) or self._ended:
                    self.at = end
                    return value  # type: ignore[no-any-return]
                self._grow(_BLOCK)  # a number may go on

    def _grow_after(self, error: json.JSONDecodeError) -> None:
        """Read as much again as the window holds, if that can mend the error."""
        cut = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _LEXEME
        if not cut:
            raise error
        size = len(self._text) - self.at
        if size > MAX_ELEMENT_CHARS:
            raise ValueError(f"one element is longer than {MAX_ELEMENT_CHARS} characters")
        if not self._grow(max(size, _BLOCK)):
            raise ValueError("the JSON list is cut off")

    def _grow(self, size: int) -> bool:
        if self._ended:
            return False
        block = self._stream.read(size)
        self._ended = not block
        self._text = self._text[self.at :] + self._decode(block, final=self._ended)
        self.at = 0
        return not self._ended
