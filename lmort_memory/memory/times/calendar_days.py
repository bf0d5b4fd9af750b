"""Spans of days, and the names of months, seasons and weekdays, of which patterns are made."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

__all__ = [
    "IN_A_YEAR",
    "MONTH",
    "MONTHS",
    "OF_A_YEAR",
    "SEASONS",
    "WEEKDAYS",
    "Read",
    "days",
    "latest",
    "month_or_year",
    "months_after",
    "next_month",
    "week",
    "year_before",
]

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
MONTH = rf"({'|'.join(MONTHS)})"
SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}  # begin in these months
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

OF_A_YEAR = r"(?:,? (?:of )?((?:19|20)\d\d))?"
IN_A_YEAR = r"(?:,? (?:of |in )?((?:19|20)\d\d))?"
_LEAPS = 8  # years between two 29ths of February, at most

Read = Callable[["re.Match[str]", datetime], "tuple[datetime, datetime] | None"]
"""Reads what a pattern found, seen from today: its start and its end."""


def days(today: datetime, start: int, end: int) -> tuple[datetime, datetime]:
    """Return the span between two distances in days from today."""
    return today + timedelta(days=start), today + timedelta(days=end)


def week(today: datetime, weeks: int) -> tuple[datetime, datetime]:
    """Return a week, Monday to Sunday, so many weeks from this one."""
    start = -today.weekday() + 7 * weeks
    return days(today, start, start + 7)


def latest(today: datetime, month: int, day: int = 1, *, year: str | None = None) -> datetime:
    """Return a day of a year; without one, the latest such day that is not after today."""
    if year:
        return today.replace(year=int(year), month=month, day=day)
    for back in range(_LEAPS + 1):
        with suppress(ValueError):  # 29 February
            start = today.replace(year=today.year - back, month=month, day=day)
            if start <= today:
                return start
    raise ValueError(f"no month {month} has a day {day}")


def month_or_year(
    today: datetime, month: str | None, of: str | None, year: str | None
) -> tuple[datetime, datetime]:
    """Return a named month, of a year or the latest that has begun; without one, a year or this."""
    if month:
        start = latest(today, MONTHS.index(month) + 1, year=of)
        return start, next_month(start)
    start = today.replace(year=int(year or today.year), month=1, day=1)
    return start, months_after(start, 12)


def year_before(when: datetime) -> datetime:
    """Return the same day a year before."""
    try:
        return when.replace(year=when.year - 1)
    except ValueError:  # 29 February
        return when.replace(year=when.year - 1, day=28)


def months_after(start: datetime, count: int) -> datetime:
    """Return the first of the month so many months after."""
    for _ in range(count):
        start = next_month(start)
    return start


def next_month(start: datetime) -> datetime:
    """Return the first of the next month."""
    return (start.replace(day=1) + timedelta(days=32)).replace(day=1)
