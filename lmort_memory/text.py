r"""The one place where text enters: what comes out of it is valid Unicode and valid JSON.

Python strings may hold half of a surrogate pair: JSON writes one as "\ud83d", and a byte that is
not UTF-8 becomes one where a decoder lets it through. SQLite, FTS5 and tokenizers accept neither
these nor NUL. `Turn`, `Source` and `Filter` pass every string through `valid`, so that the API, the
command line, the importers and the chat need no check of their own.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmort_memory.types import JsonValue

__all__ = [
    "MAX_BITS",
    "MAX_DEPTH",
    "REPLACEMENT",
    "Replaced",
    "counted",
    "escaped_controls",
    "marked_encoding",
    "valid",
    "valid_json",
    "whole_json",
]

REPLACEMENT = "\ufffd"
MAX_BITS = 1023  # of an integer: beyond that a double, and with it SQLite and JavaScript, has none
MAX_DEPTH = 100  # levels of metadata; SQLite's JSON functions refuse a value beyond 1,000

_MARKS = (  # that of UTF-32 begins with that of UTF-16
    ((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "utf-32"),
    ((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-16"),
)
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_INVALID = re.compile("[\ud800-\udfff\0]")
# What a terminal may obey or nobody sees, and JSON does not escape: DEL, C1, line separators, marks
# of direction and all other characters of format (tags can hold words). Not the joiners of emoji.
_OBEYED = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
# Every escape of JSON, so that a backslash which is itself escaped begins none.
_ESCAPED = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


@dataclass(slots=True)
class Replaced:
    """How many characters `valid` has replaced since `counted` began."""

    characters: int = 0


_counter: ContextVar[Replaced | None] = ContextVar("replaced characters", default=None)


@contextmanager
def counted() -> Iterator[Replaced]:
    """Count the characters that `valid` replaces in this thread or task, inside the block."""
    replaced = Replaced()
    token = _counter.set(replaced)
    try:
        yield replaced
    finally:
        _counter.reset(token)


def valid(text: str) -> str:
    """Return the text with U+FFFD in place of each lone surrogate and NUL.

    Two surrogates that form a pair become the character that they encode.

    Raises:
        TypeError: it is no text: a record, say, where its id is needed.
    """
    if not isinstance(text, str):
        raise TypeError(f"a text or an id must be a str; got {type(text).__name__}")
    if not _INVALID.search(text):
        return text
    joined = _PAIR.sub(_join, text)
    cleaned, found = _INVALID.subn(REPLACEMENT, joined)
    counter = _counter.get()
    if counter is not None:
        counter.characters += found
    return cleaned


def _join(pair: re.Match[str]) -> str:
    return pair.group().encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def escaped_controls(json_text: str) -> str:
    """Return JSON in which no character can move a cursor, turn the order of what is read or hide.

    It means the same: these characters occur in strings only, where JSON has an escape for them.
    """
    return _OBEYED.sub(lambda found: json.dumps(found[0])[1:-1], json_text)


def whole_json(written: bytes) -> bytes:
    r"""Return written JSON with "\ufffd" in place of each lone surrogate.

    JavaScript writes one where a text was cut by its units, and strict readers refuse the whole.
    The length stays the same.
    """
    return _ESCAPED.sub(lambda found: rb"\ufffd" if found["half"] else found[0], written)


def valid_json(value: object, *, levels: int = MAX_DEPTH) -> JsonValue:
    """Return a copy of a JSON value in which every string and key is valid.

    Raises:
        ValueError: NaN, an infinity, an integer that no JSON reader holds, a key that is not a
            string, another type, or more than `levels` levels.
    """
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ValueError(
            f"a number in metadata has {value.bit_length()} bits; {MAX_BITS} are the most — store"
            " it as a string"
        )
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return valid(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"metadata must be JSON, which has no {value}")
        return value
    if levels <= 0:
        raise ValueError(f"metadata is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list | tuple):
        return [valid_json(item, levels=levels - 1) for item in value]
    if isinstance(value, Mapping):
        return {_key(key): valid_json(item, levels=levels - 1) for key, item in value.items()}
    raise ValueError(f"metadata must be JSON; found a {type(value).__name__}: {value!r:.80}")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError(f"metadata must be JSON with string keys; found {key!r:.80}")
    return valid(key)


def marked_encoding(data: bytes) -> str | None:
    """Name the encoding that a byte order mark declares: "utf-16" or "utf-32".

    None for UTF-8, with its mark or without any.
    """
    return next((name for marks, name in _MARKS if data.startswith(marks)), None)
