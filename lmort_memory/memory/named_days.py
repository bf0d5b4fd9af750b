"""Days that people name by counting or by a feast: "two Fridays ago", "since Easter"."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from lmort_memory.memory.calendar_days import (
    MONTH,
    MONTHS,
    SEASONS,
    WEEKDAYS,
    days,
    latest,
    months_after,
    next_month,
    year_before,
)

__all__ = ["NAMED"]

_Read = Callable[["re.Match[str]", datetime], "tuple[datetime, datetime] | None"]

_COUNTS = {"two": 2, "three": 3, "four": 4, "2": 2, "3": 3, "4": 4}
_PLACES = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"),
    *("seventeenth", "eighteenth", "nineteenth", "twentieth", "twenty[ -]first"),
    *("twenty[ -]second", "twenty[ -]third", "twenty[ -]fourth", "twenty[ -]fifth"),
    *("twenty[ -]sixth", "twenty[ -]seventh", "twenty[ -]eighth", "twenty[ -]ninth"),
    *("thirtieth", "thirty[ -]first"),
)
# Month and day; for those that move with Easter, the distance from it.
_FIXED = {
    "christmas eve": (12, 24),
    "christmas day": (12, 25),
    "boxing day": (12, 26),
    "new year['\u2019]?s eve": (12, 31),
    "new year['\u2019]?s day": (1, 1),
    "valentine['\u2019]?s day": (2, 14),
    "halloween": (10, 31),
}
_MOVING = {
    "good friday": -2,
    "easter monday": 1,
    "ascension day": 39,
    "pentecost": 49,
    "whitsun": 49,
}
_SOME = (
    r"(an?|half an|a few|a couple of|few|couple of|several|one|two|three|four|five|six|seven|eight"
    r"|nine|ten|twelve|\d{1,4})"
)
_DAY = rf"({'|'.join(WEEKDAYS)})"
_YEAR = r"(?:,? (?:of )?((?:19|20)\d\d))?"


def _weekdays_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "two Fridays ago" and "the Friday before last": a week before the latest one."""
    count = _COUNTS[found[1]] if found[1] else 2
    back = (today.weekday() - WEEKDAYS.index(found[2] or found[3])) % 7 or 7
    return days(today, -back - 7 * (count - 1), 1 - back - 7 * (count - 1))


def _weekends_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    count = _COUNTS[found[1]] if found[1] else 2
    saturday = -2 - today.weekday() - 7 * (count - 1)
    return days(today, saturday, saturday + 2)


def _before_last(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """A month, year or season before the last; a season that still lasts is the last one."""
    if found[1] == "month":
        start = today.replace(day=1)
        for _ in range(2):
            start = (start - timedelta(days=1)).replace(day=1)
        return start, next_month(start)
    if found[1] == "year":
        start = today.replace(year=today.year - 2, month=1, day=1)
        return start, months_after(start, 12)
    start = year_before(latest(today, SEASONS[found[1]]))
    return start, months_after(start, 3)


def _halves_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    centre, slack = {"half a year": (183, 30), "a year and a half": (548, 60)}[found[1]]
    return days(today, -centre - slack, -centre + slack)


def _day_of(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "the 3rd of May"."""
    try:
        start = latest(today, MONTHS.index(found[2]) + 1, int(found[1]), year=found[3])
    except ValueError:  # the 31st of June
        return None
    return start, start + timedelta(days=1)


def _day_in_words(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "the third of May"."""
    for number, word in enumerate(_ORDINALS, 1):
        if re.fullmatch(word, found[1]):
            try:
                start = latest(today, MONTHS.index(found[2]) + 1, number, year=found[3])
            except ValueError:  # the thirty-first of June
                return None
            return start, start + timedelta(days=1)
    return None


def _seasons_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "two summers ago"; a season that still lasts is the first."""
    start = latest(today, SEASONS[found[2]])
    for _ in range(_COUNTS[found[1]] - 1):
        start = year_before(start)
    return start, months_after(start, 3)


def _share_of(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "the first week of November", "the second half of the year", "the last days of May"."""
    place, unit = _PLACES[found[1]], found[2]
    if found[3]:
        start = latest(today, MONTHS.index(found[3]) + 1, year=found[4])
        end = next_month(start)
    else:
        start = today.replace(year=int(found[5] or today.year), month=1, day=1)
        end = months_after(start, 12)
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


def _of_last_month(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "the 10th of last month"."""
    month = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    try:
        start = month.replace(day=int(found[1]))
    except ValueError:
        return None
    return start, start + timedelta(days=1)


def _hours(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Take the day for hours and minutes: "an hour ago", "in the last 48 hours"."""
    number, unit = (found[1], found[2]) if found[2] else (found[3] or "1", found[4])
    hours = int(number) if number.isdigit() and unit == "hour" else 1
    return days(today, -min((hours + 11) // 24, 100), 1)


def _a_year_ago(_: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    return days(today, -365 - 15, -365 + 16)


def _about_the(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "around the 10th": the latest such day, and three on either side."""
    month = today.replace(day=1)
    for _ in range(12):
        day = month + timedelta(days=int(found[1]) - 1)
        if day.month == month.month and day <= today:
            return days(day, -3, 4)
        month = (month - timedelta(days=1)).replace(day=1)
    return None


def _in_order(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "the first Monday of November", "the last day of October"."""
    month = latest(today, MONTHS.index(found[3]) + 1, year=found[4])
    every = [month + timedelta(days=n) for n in range((next_month(month) - month).days)]
    if found[2] != "day":
        every = [day for day in every if day.weekday() == WEEKDAYS.index(found[2])]
    start = every[_PLACES[found[1]]]
    return start, start + timedelta(days=1)


def _numbers(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """A date that cannot be read month first: 3.5.2026, 15/05/2026."""
    day, month = int(found[1]), int(found[3])
    if found[2] == "/" and day <= 12:
        return None
    try:
        start = today.replace(year=int(found[4]), month=month, day=day)
    except ValueError:
        return None
    return start, start + timedelta(days=1)


def _feast(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """The latest such feast; "last" is not one of this very day."""
    year = int(found[3] or today.year)
    start, end = _feast_in(found[2], year, today)
    if not found[3] and (start > today or (found[1] and start == today)):
        start, end = _feast_in(found[2], year - 1, today)
    return start, end


def _feast_in(name: str, year: int, today: datetime) -> tuple[datetime, datetime]:
    for pattern, (month, day) in _FIXED.items():
        if re.fullmatch(pattern, name):
            start = today.replace(year=year, month=month, day=day)
            return start, start + timedelta(days=1)
    if name == "thanksgiving":  # the fourth Thursday of November
        first = today.replace(year=year, month=11, day=1)
        start = first + timedelta(days=(3 - first.weekday()) % 7 + 21)
        return start, start + timedelta(days=1)
    sunday = _easter(year, today)
    if name in _MOVING:
        start = sunday + timedelta(days=_MOVING[name])
        return start, start + timedelta(days=1)
    return sunday - timedelta(days=2), sunday + timedelta(days=2)


def _easter(year: int, today: datetime) -> datetime:
    """Return Easter Sunday, by the anonymous Gregorian algorithm (Meeus, 1991)."""
    century, in_century = divmod(year, 100)
    moon = year % 19
    epact = 19 * moon + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15
    epact %= 30
    week = (32 + 2 * (century % 4) + 2 * (in_century // 4) - epact - in_century % 4) % 7
    late = (moon + 11 * epact + 22 * week) // 451
    month, day = divmod(epact + week - 7 * late + 114, 31)
    return today.replace(year=year, month=month, day=day + 1)


_FEASTS = "|".join((*_FIXED, *_MOVING, "thanksgiving", "easter"))

NAMED: tuple[tuple[str, _Read], ...] = (
    (rf"\b(?:({'|'.join(_COUNTS)}) {_DAY}s ago|{_DAY} before last)\b", _weekdays_ago),
    (rf"\b(?:({'|'.join(_COUNTS)}) weekends ago|weekend before last)\b", _weekends_ago),
    (rf"\b(month|year|{'|'.join(SEASONS)}) before last\b", _before_last),
    (r"\b(half a year|a year and a half) ago\b", _halves_ago),
    (rf"\b({'|'.join(_COUNTS)}) ({'|'.join(SEASONS)})s ago\b", _seasons_ago),
    (r"\b(?:a year ago today|this time last year)\b", _a_year_ago),
    (rf"\b{_SOME} (hour|minute)s? ago|(?:last|past) (?:{_SOME} )?(hour|minute)s?\b", _hours),
    (
        rf"\b({'|'.join(_PLACES)}) (week|half|days) (?:of|in) "
        rf"(?:{MONTH}{_YEAR}|(?:this|the) year|((?:19|20)\d\d))\b",
        _share_of,
    ),
    (rf"\b({'|'.join(_PLACES)}) quarter{_YEAR}\b", _quarter),
    (rf"\blast {MONTH}\b(?!,? (?:19|20)\d\d)", _last_month_named),
    (r"\b(\d{1,2})(?:st|nd|rd|th) of last month\b", _of_last_month),
    (r"\b(?:around|near) the (\d{1,2})(?:st|nd|rd|th)(?=\s*(?:[?.,;!]|$))", _about_the),
    (rf"\b({'|'.join(_ORDINALS)})(?: day)? of {MONTH}{_YEAR}\b", _day_in_words),
    (rf"\b(\d{{1,2}})(?:st|nd|rd|th)? of {MONTH}{_YEAR}\b", _day_of),
    (rf"\b({'|'.join(_PLACES)}) (day|{'|'.join(WEEKDAYS)}) (?:of|in) {MONTH}{_YEAR}\b", _in_order),
    (r"(?<![\d./-])(\d{1,2})([./])(\d{1,2})\2((?:19|20)\d\d)(?![\d/-]|\.\d)", _numbers),
    (
        rf"(?:\b(?:on|at|over|around|this|during|(last)) |(?<=since )|(?<=before )|(?<=after )"
        rf"|(?<=until ))({_FEASTS})\b{_YEAR}",
        _feast,
    ),
)
