"""Feasts as times: "at Easter", "since Christmas", "on Halloween 2024"."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from lmort_memory.memory.times.calendar_days import IN_A_YEAR, Read, days, latest, year_before

__all__ = ["FEAST", "FEASTS", "the_day_of"]


# Month and day; for those that move with Easter, the distance from it.
_FIXED = {
    "christmas eve": (12, 24),
    "christmas (?:day|morning|afternoon|evening|night)": (12, 25),
    "boxing day": (12, 26),
    "new year['\u2019]?s eve": (12, 31),
    "new year['\u2019]?s day": (1, 1),
    "valentine['\u2019]?s(?: day)?": (2, 14),
    "st\\.? patrick['\u2019]?s day": (3, 17),
    "hallowe['\u2019]?en": (10, 31),
}
_MOVING = {
    "good friday": -2,
    "easter sunday": 0,
    "easter monday": 1,
    "ascension day": 39,
    "pentecost": 49,
    "whitsun": 49,
}
_ONE_DAY = "|".join((*_FIXED, *_MOVING, "thanksgiving", "easter"))
_SOME_DAYS = "christmas|new year(?:['\u2019]?s)?"
FEAST = f"(?:{_ONE_DAY}|{_SOME_DAYS})"
# Days from the beginning of a span to the feast itself, where the span has days on either side.
_WITHIN = (("christmas", 7, 4), ("new year", 4, 2), ("easter", 4, 2))
_NAMED = r",? (?:of |in )?(?:19|20)\d\d\b"
_OPENERS = ("since ", "before ", "after ", "until ", "till ", "prior to ", "up to ", "following ")
_ANCHOR = (
    r"(?:\b(?:on|at|over|around|this|during|for|by|near|past|(last)) "
    rf"|{'|'.join(f'(?<={word})' for word in _OPENERS)}"
)


def the_day_of(words: str, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return the feast itself, without the days on either side; other spans as they are."""
    for name, length, place in _WITHIN:
        if name in words and (end - start).days == length:
            return days(start, place, place + 1)
    return start, end


def _one_day(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """The latest such feast; "last" is not one of this very day."""
    year = int(found[3] or today.year)
    start, end = _in_year(found[2], year, today)
    if not found[3] and (start > today or (found[1] and start == today)):
        start, end = _in_year(found[2], year - 1, today)
    return start, end


def _in_year(name: str, year: int, today: datetime) -> tuple[datetime, datetime]:
    for pattern, (month, day) in _FIXED.items():
        if re.fullmatch(pattern, name):
            return days(today.replace(year=year, month=month, day=day), 0, 1)
    if name == "thanksgiving":  # the fourth Thursday of November
        first = today.replace(year=year, month=11, day=1)
        thursday = (3 - first.weekday()) % 7 + 21
        return days(first, thursday, thursday + 1)
    sunday = _easter(year, today)
    if name in _MOVING:
        return days(sunday, _MOVING[name], _MOVING[name] + 1)
    return days(sunday, -2, 2)


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


def _some_days(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Christmas and the turn of the year, with some days on either side."""
    first, length = (21, 7) if found[2] == "christmas" else (30, 4)
    start = latest(today, 12, first, year=found[3])
    if found[2] != "christmas" and found[3]:  # new year 2026 begins in 2025
        start = year_before(start)
    if found[1] and not found[3] and start.year == today.year:
        start = year_before(start)
    return start, start + timedelta(days=length)


FEASTS: tuple[tuple[str, Read], ...] = (
    (rf"{_ANCHOR}|\b(?={FEAST}{_NAMED}))({_ONE_DAY})\b{IN_A_YEAR}", _one_day),
    (rf"{_ANCHOR}|\b(?={FEAST}{_NAMED}))({_SOME_DAYS})\b{IN_A_YEAR}", _some_days),
)
