"""Times that people name by counting or place: "two Fridays ago", "the first week of May"."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from lmort_memory.memory.times.calendar_days import (
    MONTH,
    MONTHS,
    OF_A_YEAR,
    SEASONS,
    WEEKDAYS,
    Read,
    days,
    latest,
    month_or_year,
    months_after,
    next_month,
    year_before,
)
from lmort_memory.memory.times.counted import COUNT, COUNTED, number
from lmort_memory.memory.times.dates import DATES
from lmort_memory.memory.times.feasts import FEAST, FEASTS

__all__ = ["BEFORE_LAST", "NAMED"]


_PLACES = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}
_DAY = rf"({'|'.join(WEEKDAYS)})"
# Not "the week before last Christmas".
BEFORE_LAST = rf"before last\b(?! (?:{'|'.join((*MONTHS, *WEEKDAYS, *SEASONS))}|weekend|{FEAST})\b)"


def _weekdays_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "two Fridays ago" and "the Friday before last": a week before the latest one."""
    count = number(found[1] or found[2] or "two")
    back = (today.weekday() - WEEKDAYS.index(found[3] or found[4])) % 7 or 7
    return days(today, -back - 7 * (count - 1), 1 - back - 7 * (count - 1))


def _weekends_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    count = number(found[1] or found[2] or "two")
    saturday = -2 - today.weekday() - 7 * (count - 1)
    return days(today, saturday, saturday + 2)


def _before_last(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """A month, year or season before the last; a season that still lasts is the last one.

    So with a name: "the January before last" is a year before "last January".
    """
    if found[1] == "month":
        start = today.replace(day=1)
        for _ in range(2):
            start = (start - timedelta(days=1)).replace(day=1)
        return start, next_month(start)
    if found[1] == "year":
        start = today.replace(year=today.year - 2, month=1, day=1)
        return start, months_after(start, 12)
    if found[1] in MONTHS:
        start = year_before(_last_month_named(found, today)[0])
        return start, next_month(start)
    start = year_before(latest(today, SEASONS[found[1]]))
    return start, months_after(start, 3)


def _halves_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    centre, slack = {"half a year": (183, 30), "a year and a half": (548, 60)}[found[1]]
    return days(today, -centre - slack, -centre + slack)


def _seasons_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "two summers ago"; a season that still lasts is the first."""
    start = latest(today, SEASONS[found[3]])
    for _ in range(min(number(found[1] or found[2]), 100) - 1):
        start = year_before(start)
    return start, months_after(start, 3)


def _share_of(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "the first week of November", "the second half of the year", "the last days of May"."""
    place, unit = _PLACES[found[1]], found[2]
    start, end = month_or_year(today, found[3], found[4], found[5])
    length = {"half": (end - start) / 2, "days": timedelta(days=5), "week": timedelta(days=7)}[unit]
    if place < 0:
        return end - length, end
    return start + place * length, min(start + (place + 1) * length, end)


def _quarter(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "the second quarter of 2025"; without a year, the latest that has begun."""
    if found[1] == "last" and not found[2]:  # the one before this
        end = today.replace(month=today.month - (today.month - 1) % 3, day=1)
        return (end - timedelta(days=80)).replace(day=1), end
    start = latest(today, 3 * (_PLACES[found[1]] % 4) + 1, year=found[2])
    return start, months_after(start, 3)


def _last_month_named(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "last November", which in November is a year ago."""
    start = latest(today, MONTHS.index(found[1]) + 1)
    if start.month == today.month:
        start = year_before(start)
    return start, next_month(start)


def _a_year_ago(_: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    return days(today, -365 - 15, -365 + 16)


def _in_order(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "the first Monday of November", "the last day of last month"."""
    month = _month_of(found, today)
    every = [month + timedelta(days=n) for n in range((next_month(month) - month).days)]
    if found[2] == "weekend":  # Saturday and Sunday, with the month's own Saturdays
        every = [day for day in every if day.weekday() == 5]
        return every[_PLACES[found[1]]], every[_PLACES[found[1]]] + timedelta(days=2)
    if found[2] != "day":
        every = [day for day in every if day.weekday() == WEEKDAYS.index(found[2])]
    start = every[_PLACES[found[1]]]
    return start, start + timedelta(days=1)


def _month_of(found: re.Match[str], today: datetime) -> datetime:
    """Return the beginning of the month that a match names, or counts from this one."""
    if found[3]:
        return latest(today, MONTHS.index(found[3]) + 1, year=found[4])
    this = today.replace(day=1)
    return (this - timedelta(days=1)).replace(day=1) if found[5] == "last" else this


NAMED: tuple[tuple[str, Read], ...] = (
    (rf"\b(?:{COUNT} {_DAY}s ago|{_DAY} {BEFORE_LAST})", _weekdays_ago),
    (rf"\b(?:{COUNT} weekends ago|weekend {BEFORE_LAST})", _weekends_ago),
    (rf"\b(month|year|{'|'.join((*MONTHS, *SEASONS))}) {BEFORE_LAST}", _before_last),
    (r"\b(half a year|a year and a half) ago\b", _halves_ago),
    (rf"\b{COUNT} ({'|'.join(SEASONS)})s ago\b", _seasons_ago),
    (rf"\bnight {BEFORE_LAST}", lambda _, today: days(today, -2, -1)),
    (r"\b(?:a year ago today|this time last year)\b", _a_year_ago),
    (
        rf"\b({'|'.join(_PLACES)}) (week|half|days) (?:of|in) "
        rf"(?:{MONTH}{OF_A_YEAR}|(?:this|the) year|((?:19|20)\d\d))\b",
        _share_of,
    ),
    *COUNTED,
    (rf"\b({'|'.join(_PLACES)}) quarter{OF_A_YEAR}\b", _quarter),
    (
        rf"\b({'|'.join(_PLACES)}) (day|weekend|{'|'.join(WEEKDAYS)}) (?:of|in) "
        rf"(?:{MONTH}{OF_A_YEAR}|(this|last|the) month)\b",
        _in_order,
    ),
    (rf"\blast {MONTH}\b(?!,? (?:19|20)\d\d)", _last_month_named),
    *DATES,
    *FEASTS,
)
