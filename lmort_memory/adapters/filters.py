"""Filters of other frameworks: what our grammar can say goes to the store, the rest is Python's.

    {"color": "red"}    {"price": {"$gt": 3, "$lte": 9}}    {"user": {"city": "Oslo"}}

The store filters before it ranks, so what goes there costs no hit.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmort_memory.memory import Memory
    from lmort_memory.types import Hit, JsonValue

__all__ = ["matches", "pushed_down", "recalled"]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$in": lambda value, among: value in among,
    "$nin": lambda value, among: value not in among,
}
_ORDER = ("$gt", "$gte", "$lt", "$lte")


def pushed_down(asked: Mapping[str, Any]) -> tuple[dict[str, JsonValue], dict[str, Any]]:
    """Split a filter into what the store understands and what is left for `matches`.

    Raises:
        ValueError: an operator that neither knows.
    """
    where: dict[str, JsonValue] = {}
    rest: dict[str, Any] = {}
    for key, wanted in asked.items():
        _refuse_unknown(key, wanted)
        (where if _plain(key, wanted) else rest)[key] = wanted
    return where, rest


def matches(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Return whether a value fulfils every condition; a dotted key that it lacks is a path."""
    return all(_agrees(_at(value, key), wanted) for key, wanted in asked.items())


def recalled(
    memory: Memory,
    query: str,
    k: int,
    asked: Mapping[str, Any],
    **options: Any,  # noqa: ANN401 - arguments of Memory.recall
) -> list[Hit]:
    """Recall `k` hits that fulfil a filter; what the store cannot say of it is tried here.

    Raises:
        ValueError: an operator that neither knows.
    """
    where, rest = pushed_down(asked)
    top_k = k
    while k > 0:
        hits = memory.recall(query, top_k=top_k, where=where or None, **options)
        passed = [hit for hit in hits if matches(hit.record.metadata, rest)]
        if len(passed) >= k or len(hits) < top_k:
            return passed[:k]
        top_k *= 4
    return []


def _refuse_unknown(key: str, wanted: Any) -> None:  # noqa: ANN401 - any value of a filter
    if not isinstance(wanted, Mapping):
        return
    for name, inner in wanted.items():
        if str(name).startswith("$") and name not in _COMPARE:
            known = ", ".join(_COMPARE)
            raise ValueError(f"unknown operator {name!r} for {key!r}; expected one of {known}")
        _refuse_unknown(str(name), inner)


def _plain(key: str, wanted: Any) -> bool:  # noqa: ANN401 - any value of a caller's filter
    if not isinstance(wanted, Mapping):
        return not key.startswith("$") and "." not in key and _scalar(wanted)
    if not wanted or key.startswith("$") or "." in key:
        return False
    return all(
        name in _COMPARE
        and (_scalar(operand) and not (name in _ORDER and operand is None))
        and not (name in _ORDER and isinstance(operand, bool))
        for name, operand in wanted.items()
    )


def _scalar(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return -(2**63) <= value < 2**63
    return value is None or isinstance(value, str | bool)


def _at(value: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - a value of JSON
    if key in value or "." not in key:
        return value.get(key)
    first, rest = key.split(".", 1)
    inner = value.get(first)
    return _at(inner, rest) if isinstance(inner, Mapping) else None


def _agrees(found: Any, wanted: Any) -> bool:  # noqa: ANN401 - values of JSON
    if isinstance(wanted, Mapping):
        if any(str(name).startswith("$") for name in wanted):
            return all(_compared(found, name, operand) for name, operand in wanted.items())
        return isinstance(found, Mapping) and all(
            _agrees(found.get(key), one) for key, one in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return (
            isinstance(found, list | tuple)
            and len(found) == len(wanted)
            and all(map(_agrees, found, wanted))
        )
    return bool(found == wanted)


def _compared(found: Any, name: str, operand: Any) -> bool:  # noqa: ANN401 - values of JSON
    if name not in _COMPARE:
        raise ValueError(f"unknown operator {name!r}; expected one of {', '.join(_COMPARE)}")
    try:
        return _COMPARE[name](found, operand)
    except TypeError:  # a text against a number, or nothing at all
        return False
