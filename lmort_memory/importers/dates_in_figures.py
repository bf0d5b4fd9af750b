"""Dates in figures, as spreadsheets write them: 31.12.2023 21:05, 12/31/23 9:05 PM."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime

from lmort_memory.times import day_as_time

__all__ = ["from_clear_figures", "from_figures", "month_first"]

_DATE = re.compile(
    r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})"
    r"(?:,?\s+(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d))?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?)?",
    re.IGNORECASE,
)
_THIS_CENTURY = 69  # years of two digits up to it, as `strptime` has them


def month_first(texts: Iterable[str]) -> bool:
    """Return whether the month comes first in a file's dates.

    A number over 12 decides; else AM or PM in capitals, as American programs write them. With
    points, the day comes first.

    Args:
        texts: The dates, some of which may be none.
    """
    american = False
    for text in texts:
        found = _DATE.fullmatch(text.strip())
        if found is None or found[2] == ".":
            continue
        if int(found[1]) > 12:
            return False
        if int(found[3]) > 12:
            return True
        american = american or found[0].endswith(("AM", "PM"))
    return american


def from_figures(text: str, *, months_lead: bool) -> datetime | None:
    """Read a date in figures, in local time; None for anything else.

    Args:
        text: Such as "31.12.2023" or "12/31/23 9:05 PM".
        months_lead: Whether the month comes first, where there are no points.
    """
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None
    day, month, year = int(found[1]), int(found[3]), int(found[4])
    if months_lead and found[2] != ".":
        day, month = month, day
    if len(found[4]) == 2:
        year += 2000 if year <= _THIS_CENTURY else 1900
    with suppress(ValueError, OverflowError):
        if found["hour"] is None:
            return day_as_time(date(year, month, day))
        minute, second = int(found["minute"]), int(found["second"] or 0)
        return datetime(year, month, day, _hour(found), minute, second).astimezone()
    return None


def from_clear_figures(text: str) -> datetime | None:
    """Read a date in figures that can be read in one way only: 31.12.2023, 12/31/2023.

    Args:
        text: A date without others beside it; None for 3/4/2024.
    """
    found = _DATE.fullmatch(text.strip())
    if found is None or (found[2] != "." and int(found[1]) <= 12 and int(found[3]) <= 12):
        return None
    return from_figures(text, months_lead=month_first([text]))


def _hour(found: re.Match[str]) -> int:
    """Return the hour of the day.

    Raises:
        ValueError: a clock of twelve hours has none such.
    """
    hour = int(found["hour"])
    if not found["half"]:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(f"no clock has {found[0]}")
    return hour % 12 + 12 * (found["half"].lower() == "p")
