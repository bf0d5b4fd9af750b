"""Times by number: "twelve days ago", "the last six months", "the first two weeks of May"."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from lmort_memory.memory.times.calendar_days import (
    MONTH,
    OF_A_YEAR,
    Read,
    days,
    month_or_year,
    months_after,
)

__all__ = ["COUNT", "COUNTED", "UNIT", "number"]


_SMALL = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ROUGH = {"a": 1, "an": 1, "couple": 2, "few": 3, "several": 4, "half a dozen": 6, "a dozen": 12}
_DAYS = {
    "day": 1.0,
    "night": 1.0,
    "week": 7.0,
    "fortnight": 14.0,
    "month": 30.44,
    "year": 365.0,
    "decade": 3652.0,
}
_HOURS = {"minute": 1 / 60, "min": 1 / 60, "hour": 1.0}
_FURTHEST = 365 * 200  # days; a calendar ends, and nothing was said before that
COUNT = (
    rf"(?:(?:the |a )?(couple(?= of )|couple|few)(?: of)?|(several|half a dozen|a dozen|an?"
    rf"|(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(_SMALL[:9])}))?|{'|'.join(_SMALL)}|\d{{1,4}}))"
)
UNIT = rf"({'|'.join((*_DAYS, *_HOURS))})s?"


def number(words: str) -> int:
    """Return the number that a match of `COUNT` means.

    >>> number("twenty-one"), number("couple"), number("12")
    (21, 2, 12)
    """
    if words.isdigit():
        return int(words)
    if words in _ROUGH:
        return _ROUGH[words]
    return sum(
        10 * (_TENS.index(word) + 2) if word in _TENS else _SMALL.index(word) + 1
        for word in re.split(r"[ -]", words)
    )


def _length(count: int, unit: str) -> int | None:
    """Return so many units in days, or None if that is too far back."""
    length = (
        round(count * _DAYS[unit]) if unit in _DAYS else (round(count * _HOURS[unit]) + 11) // 24
    )
    return length if length <= _FURTHEST else None


def _until_now(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "the last six months": up to now, not the months of the calendar."""
    return _last(number(found[1] or found[2]), found[3], today)


def _one_until_now(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    return _last(1, found[1], today)


def _last(count: int, unit: str, today: datetime) -> tuple[datetime, datetime] | None:
    length = _length(count, unit)
    return None if length is None else days(today, -length, 1)


def _ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Take the day; for weeks, months and years, half a unit on both sides."""
    return _so_far_back(number(found[1] or found[2]), found[3], today)


def _and_a_half_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "two and a half weeks ago" and "a week and a half ago"."""
    return _so_far_back(number(found[1] or found[2]) + 0.5, found[3] or found[4], today)


def _either_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "two or three days ago", "10 to 15 years ago"."""
    one, other = (number(found[n] or found[n + 1]) for n in (1, 3))
    near = _so_far_back(min(one, other), found[5], today)
    far = _so_far_back(max(one, other), found[5], today)
    return None if near is None or far is None else (far[0], near[1])


def _and_more_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "two years and three months ago": as exact as its smaller unit."""
    more = _length(number(found[1] or found[2]), found[3])
    near = _so_far_back(number(found[4] or found[5]), found[6], today)
    if more is None or more > _FURTHEST // 2 or near is None:
        return None
    return near[0] - timedelta(days=more), near[1] - timedelta(days=more)


def _so_far_back(count: float, unit: str, today: datetime) -> tuple[datetime, datetime] | None:
    length = min(_length(1, unit) or 0, 365)
    centre = round(count * _DAYS[unit]) if unit in _DAYS else _length(int(count), unit)
    if centre is None or centre > _FURTHEST:
        return None
    if unit in _HOURS:
        return days(today, -centre, 1)
    return days(today, -centre - length // 2, length // 2 + 1 - centre)


def _share(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "the first two weeks of November", "the last few months of 2025"."""
    count, unit = number(found[2] or found[3] or "a"), found[4] or found[5]
    start, end = month_or_year(today, found[6], found[7], found[8])
    if unit == "month":
        count = min(count, 12)
        if found[1] == "last":
            return months_after(start, 12 - count), end
        return start, months_after(start, count)
    length = min(timedelta(days=count * _DAYS[unit]), end - start)
    return (end - length, end) if found[1] == "last" else (start, start + length)


COUNTED: tuple[tuple[str, Read], ...] = (
    (
        rf"\b(first|last) (?:{COUNT} (day|week|month)s?|(month)) (?:of|in) "
        rf"(?:{MONTH}{OF_A_YEAR}|(?:this|the) year|((?:19|20)\d\d))\b",
        _share,
    ),
    (rf"\b(?:last|past|previous) {COUNT} {UNIT}\b(?! (?:of|before)\b)", _until_now),
    (
        # With "the" and a preposition it ends now; "last week" alone is that of the calendar.
        rf"\b(?:in|over|during|within|for|throughout|from) the (?:last|past) {UNIT}\b"
        r"(?! (?:of|before)\b)",
        _one_until_now,
    ),
    (rf"\b(?:past (?=\w+\b)|last (?=fortnight|hour|minute|decade)){UNIT}\b", _one_until_now),
    (
        rf"\b{COUNT} (?:and a half {UNIT}|{UNIT} and a half) (?:ago|back)\b",
        _and_a_half_ago,
    ),
    (rf"\b{COUNT}(?: or | to |(?<=\d)-(?=\d)){COUNT} {UNIT} (?:ago|back)\b", _either_ago),
    (rf"\b{COUNT} {UNIT}(?:,? and|,) {COUNT} {UNIT} (?:ago|back)\b", _and_more_ago),
    (rf"(?<!and )(?<!put the )\b{COUNT} {UNIT} (?:ago|back)\b", _ago),
)
