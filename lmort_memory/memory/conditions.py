"""Which records a call applies to: the arguments that `recall`, `records` and `forget` share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from lmort_memory.store.filters import names_nothing
from lmort_memory.store.values import Filter
from lmort_memory.types import ScopeTree

if TYPE_CHECKING:
    from lmort_memory.types import JsonValue

__all__ = ["Conditions", "to_filter", "to_forget"]


class Conditions(TypedDict, total=False):
    """Conditions on records; a record must meet all that are given.

    Attributes:
        scope: Only this scope, or those of a `ScopeTree`; None means every scope.
        session: Only this session.
        role: Only this role.
        source: Only what was imported from this URI.
        since: Only records created then or later; an aware time.
        until: Only records created before; an aware time.
        where: Conditions on the metadata, see `lmort_memory.store.filters`.
        exclude: Ids of records to leave out, such as those that a conversation still shows.
        include_superseded: Also include outdated records, see `Memory.supersede`.
    """

    scope: str | ScopeTree | None
    session: str | None
    role: str | None
    source: str | None
    since: datetime | None
    until: datetime | None
    where: Mapping[str, JsonValue] | None
    exclude: Iterable[str]
    include_superseded: bool


_TEXTS = ("session", "role", "source")
_TIMES = ("since", "until")


def to_filter(
    given: Conditions, *, call: str, scope: str | None = None, include_superseded: bool
) -> Filter:
    """Return the conditions of a call as a filter for the store.

    Args:
        given: The keyword arguments of the call.
        call: Name of the method, for error messages.
        scope: The default scope.
        include_superseded: The default of this condition.

    Raises:
        TypeError: a condition has an unknown name or a value of the wrong type.
        ValueError: a time is naive.
    """
    unknown = [name for name in given if name not in Conditions.__annotations__]
    if unknown:
        raise TypeError(
            f"{call}() got an unexpected keyword argument {unknown[0]!r}; the conditions on records"
            f" are {', '.join(Conditions.__annotations__)}"
        )
    if not isinstance(given.get("scope"), ScopeTree):
        _check(call, "scope", given.get("scope"), str)
    for name in _TEXTS:
        _check(call, name, given.get(name), str)
    for name in _TIMES:
        _check(call, name, given.get(name), datetime)
        _check_aware(call, name, given.get(name))
    exclude = given.get("exclude", ())
    return Filter(
        exclude=(exclude,) if isinstance(exclude, str) else tuple(exclude),
        scope=given.get("scope", scope),
        session=given.get("session"),
        role=given.get("role"),
        source=given.get("source"),
        since=given.get("since"),
        until=given.get("until"),
        where=given.get("where"),
        current=not given.get("include_superseded", include_superseded),
    )


def to_forget(ids: str | Iterable[str] | None, given: Conditions) -> Filter:
    """Return which records a call of `forget` names.

    Raises:
        TypeError: as `to_filter`, or the ids are neither a text nor several.
        ValueError: no ids and no condition, or a `where` that matches every record.
    """
    named = to_filter(given, call="forget", include_superseded=True)
    if not isinstance(ids, Iterable | None):
        raise TypeError(f"forget() takes an id or several, as str; got {type(ids).__name__}")
    chosen_ids = (ids,) if isinstance(ids, str) else ids if ids is None else tuple(ids)
    chosen = replace(named, ids=chosen_ids, expired=True)
    if names_nothing(named.where):
        raise ValueError(
            f"where={named.where!r} matches every record — leave it out, or name a condition"
            " that selects the records to forget"
        )
    if replace(chosen, exclude=()) == Filter(expired=True):
        raise ValueError(
            "forget needs ids or a condition; got neither, which would delete everything"
        )
    return chosen


def _check(call: str, name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise TypeError(
            f"{call}() takes {name} as {kind.__name__} or None; got {type(value).__name__}"
        )


def _check_aware(call: str, name: str, value: object) -> None:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(
            f"{call}() needs a time zone for {name}; got the naive {value} — add one, such as"
            " datetime.now(UTC)"
        )
