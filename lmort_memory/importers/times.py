"""Dates of the formats to aware UTC times. A time without a zone is this computer's local time.

A day without a time becomes `day_as_time` of it, which is that day in every zone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from lmort_memory.importers.dates_in_figures import from_clear_figures
from lmort_memory.times import day_as_time, representable
from lmort_memory.types import Turn

__all__ = [
    "dated_by_neighbours",
    "from_epoch",
    "from_iso",
    "from_name",
    "from_stamp",
    "from_words",
    "modified_at",
]

_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{4})(\d{2})(\d{2})")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_WEEK_IN_NAME = re.compile(r"(?<!\d)(\d{4})-?W(\d{2})(?!\d)", re.IGNORECASE)
_MOMENT_IN_NAME = re.compile(  # Denote, zettelkasten: 20240502T091500, 202405020915
    r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)[T_ -]?"
    r"([01]\d|2[0-3])[:.h-]?([0-5]\d)(?:[:.-]?([0-5]\d))?(?!\d)"
)
_STAMP = re.compile(r"\d{10}(?:\d\d){0,2}")  # 2024050609, 202405060915, 20240506091500
_YEARS_IN_NAMES = range(1900, 2101)  # any other is a number of something else
_DAY_IN_NAME = re.compile(
    r"(?<!\d)(?:(\d{4})-(\d\d)-(\d\d)|(\d{4})(\d\d)(\d\d)|(\d{4})[_.](\d\d)[_.](\d\d))(?!\d)"
)
# A moment whose day has slashes, or whose numbers lack their zeros or are those of a 12-hour clock.
_MOMENT = re.compile(
    r"(?P<day>\d{4}[-/.]\d{1,2}[-/.]\d{1,2})(?:T|,?\s+)(?P<hour>\d{1,2})(?P<rest>(?::\d{2}){1,2})"
    r"(?P<fraction>[.,]\d+)?(?:\s*(?P<half>[ap])\.?m\.?)?\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_LONGEST = 200  # characters; what is longer is not a time
_ZONE_NAME = re.compile(r"\s*\[[\w/+-]+\]$")  # as JavaScript's Temporal and Java add it
_ZONE = re.compile(r"\s+(?=[+-]\d\d:?\d\d$|Z$)|\s+(?:UTC|GMT)$", re.IGNORECASE)
_UTC_NAME = re.compile(r"\s+(?:UTC|GMT|Z)$", re.IGNORECASE)
_WEEKDAY = re.compile(r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", re.IGNORECASE)
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b", re.IGNORECASE)
_DAYS_IN_WORDS = ("%B %d %Y", "%b %d %Y", "%d %B %Y", "%d %b %Y")
_TIMES_IN_WORDS = ("%I:%M:%S %p", "%I:%M %p", "%H:%M:%S", "%H:%M", "%H:%M:%S %z", "%H:%M %z")
# Units of a number by its size: seconds until the year 5138, then milliseconds and so on.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_NUMBER = re.compile(r"(?:\d{9,10}|\d{13}|\d{16}|\d{19})(?:\.\d+)?")  # of those units, since 1973

_MOST_HELD = 1_000  # turns that wait for a first time


def from_iso(value: object) -> datetime | None:
    """Read ISO 8601; None for anything else, so that a typo in a note costs only its date.

    A space may stand before the zone, and a day have slashes or one digit.
    """
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    text = _ZONE_NAME.sub("", value.strip())
    text = _ZONE.sub(lambda gap: "Z" if gap[0].strip() else "", text)
    if day := _DAY.fullmatch(text):
        return _day(*day.group(*((1, 2, 3) if day[1] else (4, 5, 6))))
    if text.isdigit():  # `fromisoformat` takes milliseconds since 1970 for a day of the year 1712
        return None
    try:
        return _utc(datetime.fromisoformat(text))
    except ValueError:
        return _loose_moment(text)


def _loose_moment(text: str) -> datetime | None:
    found = _MOMENT.fullmatch(text)
    day = found and _DAY.fullmatch(found["day"])
    if not found or not day:
        return None
    hour = int(found["hour"])
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (found["half"].lower() == "p")
    year, month, number = (int(part) for part in day.group(1, 2, 3))
    clock = f"{hour:02}{found['rest']}{found['fraction'] or ''}{(found['zone'] or '').upper()}"
    try:
        return _utc(datetime.fromisoformat(f"{year:04}-{month:02}-{number:02}T{clock}"))
    except ValueError:
        return None


def from_words(value: object) -> datetime | None:
    """Read ISO 8601, or English words, as of letters too: "Thursday, May 2nd 2024, 9:15:00 am".

    A month is its first day. Figures are read where they can mean one date only: 31.12.2023.
    """
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    if month := _MONTH.fullmatch(value.strip()):
        return _day(month[1], month[2], "1")
    if (when := from_iso(value) or from_stamp(value)) is not None:
        return when
    text = _UTC_NAME.sub(" +0000", value.strip())
    text = _ORDINAL.sub("", _WEEKDAY.sub("", text)).replace(",", " ")
    text = " ".join(word for word in text.split() if word.lower() not in ("at", "of"))
    for day in _DAYS_IN_WORDS:
        if (when := _parsed(text, day)) is not None:
            return day_as_time(when.date())
        for time in _TIMES_IN_WORDS:
            if (when := _parsed(text, f"{day} {time}")) is not None:
                return _utc(when)
    return from_clear_figures(value)


def from_epoch(value: object) -> datetime | None:
    """Read seconds since 1970, or milliseconds, micro- or nanoseconds where it is that large.

    A number may be written as a string. None for what is not a time, and for 0, which exports
    write where they know none.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
        if not math.isfinite(seconds) or not seconds:
            return None
        per_second = next((unit for least, unit in _UNITS if abs(seconds) >= least), 1.0)
        return representable(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(0, seconds / per_second))
    except OverflowError:
        return None


def from_stamp(value: object) -> datetime | None:
    """Read a moment in figures alone, as a Zettelkasten numbers its notes: 202405020915.

    No count of seconds that has passed begins as one of these years does.
    """
    text = str(value).strip()
    if not _STAMP.fullmatch(text):
        return None
    return _moment(text)


def from_name(stem: str) -> datetime | None:
    """Find the time in a file's name: "2024-05-01 Trondheim", 20240502T091500, 2024-W18."""
    if moment := _MOMENT_IN_NAME.search(stem):
        when = _moment("".join(filter(None, moment.groups())))
        if when is not None:
            return when
    for day in _DAY_IN_NAME.finditer(stem):
        when = _day(*(part for part in day.groups() if part))
        if when is not None and when.year in _YEARS_IN_NAMES:
            return when
    if week := _WEEK_IN_NAME.search(stem):
        try:
            monday = date.fromisocalendar(int(week[1]), int(week[2]), 1)
            return day_as_time(monday) if monday.year in _YEARS_IN_NAMES else None
        except ValueError:
            return None
    return None


def modified_at(path: Path) -> datetime | None:
    """When the file was last written."""
    return from_epoch(path.stat().st_mtime)


def dated_by_neighbours(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Give a message without a time that of the one before it, and the first ones the next time.

    They would else be dated by the import. Where the beginning of a file holds no time at all, it
    stays without, so that memory is bounded.
    """
    last: datetime | None = None
    waiting: list[Turn] = []
    for turn in turns:
        last = turn.created_at or last
        waiting.append(turn)
        if last is not None or len(waiting) >= _MOST_HELD:
            yield from (_dated(one, last) for one in waiting)
            waiting.clear()
    yield from waiting


def _dated(turn: Turn, when: datetime | None) -> Turn:
    return turn if turn.created_at or when is None else replace(turn, created_at=when)


def _day(year: str, month: str, day: str) -> datetime | None:
    try:
        return day_as_time(date(int(year), int(month), int(day)))
    except ValueError:
        return None


def _moment(figures: str) -> datetime | None:
    """Read year, month, day and hour, with minutes and seconds or without."""
    when = _parsed(figures.ljust(14, "0"), "%Y%m%d%H%M%S")
    return _utc(when) if when is not None and when.year in _YEARS_IN_NAMES else None


def _parsed(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007  the caller adds the zone
    except ValueError:
        return None


def _utc(when: datetime) -> datetime | None:
    try:
        return representable(when.astimezone(UTC))
    except (ValueError, OverflowError):  # at the ends of the calendar
        return None if when.tzinfo is None else representable(when)
