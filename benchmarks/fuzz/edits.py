"""JSON changed as the fuzzer's bytes say: almost every input then gets past the parser."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["edited", "values_of"]

_EDIT = 3  # bytes: a place, what is put there, and which of its kind
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**63, -(2**70), 0.5, 1e308, float("nan"), float("inf")),
    *("", "x", "x" * 5000, "\ud800", "\0", "2026-13-45T99:00:00", "0001-01-01T00:00:00+14:00"),
    *([], {}, [[]], [None], {"": None}, {"$gt": 1}, [1, "a", None, {}]),
)


def values_of(folder: Path) -> list[Any]:
    """Return the JSON values in the files of a folder, for `edited`."""
    return [json.loads(path.read_bytes()) for path in sorted(folder.iterdir())]


def edited(values: list[Any], data: bytes) -> Any:
    """Choose a value by the first byte, and make an edit for every three others."""
    value = {"": copy.deepcopy(values[data[0] % len(values)] if data else values[0])}
    for at in range(1, len(data) - _EDIT + 1, _EDIT):
        where, what, which = data[at : at + _EDIT]
        places = list(_places(value))
        holder, key = places[where % len(places)]
        if what < 32 and key != "":
            del holder[key]
        elif what < 64:
            other, its_key = places[which % len(places)]
            holder[key] = copy.deepcopy(other[its_key])
        else:
            holder[key] = copy.deepcopy(_ODD[which % len(_ODD)])
    return value[""]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container with each of its keys or indices."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
