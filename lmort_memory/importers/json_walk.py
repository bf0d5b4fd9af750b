"""Walk through a large JSON document part by part, in memory bounded by its largest part.

Exports of chats are one object whose list of messages is gigabytes long, under a head of a few
fields. A caller names the containers to open; every other value is parsed whole.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from lmort_memory.errors import ImportFileError
from lmort_memory.importers.json_stream import Bytes, _StepOverError, _Window
from lmort_memory.types import JsonValue

__all__ = ["first_parts", "parts", "walk"]

_HEAD_BYTES = 4 * 1024 * 1024  # an address book may stand before the first chat


def walk(
    stream: Bytes, opened: frozenset[str], *, damaged: Callable[[str], None] | None = None
) -> Iterator[tuple[str, JsonValue]]:
    """Yield (path, value) for each part of a JSON document, in order.

    The path of the document is "", that of a member is ".name", that of an element "[]": so the
    messages of `{"messages": [{…}, …]}` have the path ".messages[]".

    Args:
        stream: UTF-8 text.
        opened: Paths of the containers to step into.
        damaged: Told of each part that is too large or nested too deeply, and is stepped over;
            without it, such a part is an error.

    Raises:
        ValueError: not JSON, or cut off.
    """
    window = _Window(stream)
    yield from _value(window, "", opened, damaged)
    if window.next_sign():
        raise ValueError("the JSON document is followed by something else")


def _value(
    window: _Window, path: str, opened: frozenset[str], damaged: Callable[[str], None] | None
) -> Iterator[tuple[str, JsonValue]]:
    sign = window.next_sign()
    if path not in opened or sign not in ("{", "["):
        try:
            value = window.parse()
        except _StepOverError as error:
            if damaged is None:
                raise
            window.skip()
            damaged(f"{path}: {error}")
        else:
            yield path, value
        return
    closing = "}" if sign == "{" else "]"
    window.at += 1
    if window.next_sign() == closing:
        window.at += 1
        return
    while True:
        below = path + (_member(window) if sign == "{" else "[]")
        yield from _value(window, below, opened, damaged)
        found = window.next_sign()
        window.at += 1
        if found == closing:
            return
        if found != ",":
            raise ValueError(f"found {found!r} where a comma or {closing!r} belongs")


def _member(window: _Window) -> str:
    key = window.parse()
    if not isinstance(key, str) or window.next_sign() != ":":
        raise ValueError("a JSON object is damaged: a name or its colon is missing")
    window.at += 1
    return f".{key}"


def parts(
    path: Path, *opened: str, damaged: Callable[[str], None] | None = None
) -> Iterator[tuple[str, JsonValue]]:
    """Walk through a JSON file; see `walk`.

    Raises:
        ImportFileError: the file is damaged. What stands before the damage was given.
        OSError: unreadable.
    """
    try:
        with path.open("rb") as stream:
            yield from walk(stream, frozenset(opened), damaged=damaged)
    except (ValueError, EOFError) as error:
        raise ImportFileError(
            f"{path} is damaged: {error} — what stands before was read; export it again",
            path=str(path),
        ) from error


def first_parts(path: Path, *opened: str, at_most: int = 40) -> list[tuple[str, JsonValue]]:
    """Return the first parts of a JSON file, as far as they stand in its beginning.

    Raises:
        OSError: unreadable.
    """
    found: list[tuple[str, JsonValue]] = []
    with path.open("rb") as stream:
        head = io.BytesIO(stream.read(_HEAD_BYTES))
    with suppress(ValueError):  # cut off there, or no JSON
        for part in islice(walk(head, frozenset(opened)), at_most):
            found.append(part)
    return found
