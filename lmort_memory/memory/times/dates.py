"""Days of a month: "on the 5th", "November the 5th", "the third of May", "3.5.2026"."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from lmort_memory.memory.times.calendar_days import (
    MONTH,
    MONTHS,
    OF_A_YEAR,
    WEEKDAYS,
    Read,
    days,
    latest,
    next_month,
)

__all__ = ["DATES", "PART_OF_DAY"]


_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"),
    *("seventeenth", "eighteenth", "nineteenth", "twentieth", "twenty[ -]first"),
    *("twenty[ -]second", "twenty[ -]third", "twenty[ -]fourth", "twenty[ -]fifth"),
    *("twenty[ -]sixth", "twenty[ -]seventh", "twenty[ -]eighth", "twenty[ -]ninth"),
    *("thirtieth", "thirty[ -]first"),
)
_IN_WORDS = rf"({'|'.join(_ORDINALS)})"
_DAY = rf"(?:{'|'.join(WEEKDAYS)})"
PART_OF_DAY = r"(?:(?:early|late) )?(?:morning|forenoon|lunchtime|afternoon|evening|night)"
_PART_OF = rf"(?:morning|afternoon|evening|night) of(?: {_DAY},?)?"
# A day, and not "on the 3rd floor" or "on the first try": nothing follows, or a word that no
# number describes.
_STOP = r"(?=\s*(?:[?.,;:!)]|$)"
_NO_NOUN = (
    rf"{_STOP}| (?:(?:and|or)(?! (?:the )?\d)|at|about|with|in the|to|for|when|but|after"
    r"|before|because|was|were|did|from|by|if|who|what|where|why|how|that|i|we|you|he|she|they"
    rf"|{PART_OF_DAY})\b)"
)
_IN_FIGURES = r"(\d{1,2})(?:st|nd|rd|th)"
# Not part of the match, since `opened` reads them.
_OPENERS = "|".join(f"(?<={word} the )" for word in ("since", "before", "after", "until", "till"))
# "May" and "march" are other words too: "they march first".
_CLEAR_MONTH = rf"(?<!\w)(?:(?:on|in) )?{MONTH}"


def _dated(
    today: datetime, month: str, day: int, year: str | None
) -> tuple[datetime, datetime] | None:
    try:
        return days(latest(today, MONTHS.index(month) + 1, day, year=year), 0, 1)
    except ValueError:  # the 31st of June
        return None


def _in_figures(words: str) -> int:
    """Return the number of an ordinal, in words or figures."""
    if words.isdigit():
        return int(words)
    return next(day for day, word in enumerate(_ORDINALS, 1) if re.fullmatch(word, words))


def _day_of(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "the 3rd of May" and "the third of May"."""
    return _dated(today, found[2], _in_figures(found[1]), found[3])


def _month_first(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "November the 5th" and "November first"."""
    article, said = found[2], found[0]
    bare = article is None and said.startswith(("may", "march")) and not found[3].isdigit()
    return None if bare else _dated(today, found[1], _in_figures(found[3]), found[4])


def _month_of_year(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "June of 2025"."""
    start = latest(today, MONTHS.index(found[1]) + 1, year=found[2])
    return start, next_month(start)


def _day_of_month(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """The latest such day of a month, not after today."""
    number = _in_figures(found[1])
    month = today.replace(day=1)
    for _ in range(12):
        day = month + timedelta(days=number - 1)
        if day.month == month.month and day <= today:
            return days(day, 0, 1)
        month = (month - timedelta(days=1)).replace(day=1)
    return None


def _about_the(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "around the 10th": the latest such day, and three on either side."""
    one = _day_of_month(found, today)
    return None if one is None else days(one[0], -3, 4)


def _of_this_month(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "the 10th of last month" and "the 5th of this month"."""
    month = today.replace(day=1)
    if found[2] == "last":
        month = (month - timedelta(days=1)).replace(day=1)
    try:
        return days(month.replace(day=_in_figures(found[1])), 0, 1)
    except ValueError:
        return None


def _numbers(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """A date that cannot be read month first: 3.5.2026, 15/05/2026."""
    day, month = int(found[1]), int(found[3])
    if found[2] == "/" and day <= 12:
        return None
    try:
        return days(today.replace(year=int(found[4]), month=month, day=day), 0, 1)
    except ValueError:
        return None


def _weekday(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read "Friday night" and "on Monday at 3pm": the latest such day, all of it."""
    back = (today.weekday() - WEEKDAYS.index(found[2])) % 7
    if found[1] and not back:  # "last Thursday", on a Thursday
        back = 7
    return days(today, -back, 1 - back)


_HOUR = r"(?:noon|midday|midnight|\d{1,2}(?:[:.]\d\d)?(?: ?[ap]\.?m\b| o['\u2019]clock)?)"

DATES: tuple[tuple[str, Read], ...] = (
    (rf"\b{_IN_FIGURES} of (last|this|the) month\b", _of_this_month),
    (rf"\b{_IN_WORDS}(?: day)? of {MONTH}{OF_A_YEAR}\b", _day_of),
    (rf"\b(\d{{1,2}})(?:st|nd|rd|th)? of {MONTH}{OF_A_YEAR}\b", _day_of),
    (rf"{_CLEAR_MONTH} (the )?{_IN_FIGURES}\b{OF_A_YEAR}", _month_first),
    (rf"{_CLEAR_MONTH} (the )?{_IN_WORDS}\b{OF_A_YEAR}(?! (?:of|half|week))", _month_first),
    (  # not "3 June of 2025"
        rf"(?<!\d )(?<!st )(?<!nd )(?<!rd )(?<!th )\b{MONTH},? of ((?:19|20)\d\d)\b",
        _month_of_year,
    ),
    (rf"\b(?:around|near) the {_IN_FIGURES}{_NO_NOUN}", _about_the),
    (
        rf"(?:\b(?:(?:on|by|from|on {_DAY}|{_DAY}),?|{_PART_OF}) the |{_OPENERS})"
        rf"{_IN_FIGURES}{_NO_NOUN}",
        _day_of_month,
    ),
    (rf"\b(?:on|{_PART_OF}) the {_IN_WORDS}{_STOP})", _day_of_month),
    (r"(?<![\d./-])(\d{1,2})([./])(\d{1,2})\2((?:19|20)\d\d)(?![\d/-]|\.\d)", _numbers),
    (
        rf"\b(?:(last) |(?:on|this|past) )?({'|'.join(WEEKDAYS)})"
        rf"(?: {PART_OF_DAY}\b|,? (?:at|around|about|before|after|by) {_HOUR}\b"
        r"| \d{1,2} ?[ap]m\b)",
        _weekday,
    ),
    (
        rf"\b{PART_OF_DAY} (?:of|on) (?:(last) )?({'|'.join(WEEKDAYS)})\b",
        _weekday,
    ),
)
