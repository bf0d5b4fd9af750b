"""Times that are made of other times: "between 3 and 7 November", "the week of 9 May"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import TypeAlias

from lmort_memory.memory.times.calendar_days import MONTH, WEEKDAYS, days, week

__all__ = ["composed"]

Times: TypeAlias = tuple[datetime, datetime]
Read: TypeAlias = Callable[[str], "tuple[datetime, datetime, str] | None"]
"""Reads the time that a text begins with: its start, its end and its words."""


_LONGEST = 40  # characters of one of the two times
_MOST = 3  # a pasted text may have "from ... to" in every line
_FROM_TO = re.compile(
    r"\b(?:between|from) (?:the )?([^?!;]{1,40}?) (?:and|to|until|till|up to|through)(?: the)? "
)
_WITH_A_DASH = re.compile(  # "5-7 May"
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)? ?[-\u2013] ?(?=\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{MONTH})"
)
_IN_FIGURES = re.compile(  # "2025-05-01 to 2025-05-07"
    r"\b(\d{4}-\d\d-\d\d) (?:to|until|till|through|-|\u2013) (?=\d{4}-\d\d-\d\d)"
)
_RANGES = (_FROM_TO, _WITH_A_DASH, _IN_FIGURES)  # the first of the two times is group 1
_BARE_DAY = re.compile(r"^\d{1,2}(?:st|nd|rd|th)?$")
_MONTH_OF = re.compile(rf"(?:of )?{MONTH}(?:,? (?:of )?(?:19|20)\d\d)?")
_NOW = re.compile(r"(?:now|today)\b")
_WEEK_OF = re.compile(
    r"\b(?:in |during )?the (week|weekend) (?:of|around|starting|from|beginning)(?: on)?(?: the)? "
)
_DAY_IN_WEEK = re.compile(
    rf"\b({'|'.join(WEEKDAYS)}),? (?:of |in )?(last week|this week|(?:the )?week before last)\b"
)
_WEEKS = {"last week": -1, "this week": 0}


@dataclass(frozen=True, slots=True)
class Composed:
    """A span with its words, and where in the text they begin."""

    times: Times
    words: str
    begins: int


def composed(lowered: str, now: datetime, read: Read) -> Composed | None:
    """Return the span that a text names by other times.

    Args:
        lowered: The text, in lower case.
        now: The current time.
        read: Reads a single time at the beginning of a text.
    """
    for find in (_from_to, _week_of, _day_in_week):
        found = find(lowered, now, read)
        if found is not None:
            return found
    return None


def _from_to(lowered: str, now: datetime, read: Read) -> Composed | None:
    for found in chain(*(islice(one.finditer(lowered), _MOST) for one in _RANGES)):
        first, rest = found[1].strip(), lowered[found.end() : found.end() + _LONGEST]
        today = _NOW.match(rest)
        until = (now, now, today[0]) if today else read(rest)
        if until is None:
            continue
        _, end, words = until
        if _BARE_DAY.match(first):  # "3 and 7 November": the month of the second
            month = _MONTH_OF.search(words)
            first = f"{first} {month[0]}" if month else first
        since = read(first)
        if since is None:
            continue
        start = since[0]
        if start >= end and first in WEEKDAYS:  # "from Monday to Wednesday", on a Tuesday
            start -= timedelta(days=7)
        if start < end:
            return Composed((start, end), found[0] + words, found.start())
    return None


def _week_of(lowered: str, _: datetime, read: Read) -> Composed | None:
    """Read "the week of 9 November", and "the weekend of the 14th"."""
    found = _WEEK_OF.search(lowered)
    one = found and read(lowered[found.end() : found.end() + _LONGEST])
    if not found or not one:
        return None
    start, end = week(one[0], 0)
    if found[1] == "weekend":
        start = end - timedelta(days=2)
    return Composed((start, end), found[0] + one[2], found.start())


def _day_in_week(lowered: str, now: datetime, _: Read) -> Composed | None:
    """Read "Tuesday of last week"."""
    found = _DAY_IN_WEEK.search(lowered)
    if found is None:
        return None
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = 7 * _WEEKS.get(found[2], -2) - today.weekday()
    day = monday + WEEKDAYS.index(found[1])
    return Composed(days(today, day, day + 1), found[0], found.start())
