"""Times as phrases that are matched here: "last weekend", "in the summer", "the other day".

The order matters: the first pattern that finds a time is the one.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from lmort_memory.memory.times.calendar_days import (
    IN_A_YEAR,
    MONTH,
    MONTHS,
    SEASONS,
    WEEKDAYS,
    Read,
    days,
    latest,
    months_after,
    next_month,
    week,
    year_before,
)
from lmort_memory.memory.times.decades import DECADES
from lmort_memory.memory.times.named_days import BEFORE_LAST, NAMED

__all__ = ["PHRASES"]

_SEASON = f"({'|'.join(SEASONS)})"
# Words before a time that are not part of the match, since `opened` reads them.
_OPENERS = (
    *("since ", "before ", "until ", "till ", "after ", "prior to ", "up to "),
    *("early ", "mid ", "late ", "end of ", "start of ", "beginning of ", "middle of "),
)
_OPENING = f"(?:{'|'.join(f'(?<={word})' for word in _OPENERS)})"
# "From June" may be from a person.
_NO_NAMES = "|".join(month for month in MONTHS if month not in ("april", "may", "june", "august"))
_OPENING_THE = f"(?:{'|'.join(f'(?<={word})|(?<={word}the )' for word in _OPENERS)})"


def _weekend(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    saturday = (
        5 - today.weekday() - (7 if found[1] in ("last", "past") or today.weekday() < 5 else 0)
    )
    return days(today, saturday, saturday + 2)


def _season(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    start = latest(today, SEASONS[found[1]], year=found[2])
    return start, months_after(start, 3)


def _lately(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    return days(today, -10 if found[0] == "the other day" else -30, 1)


def _quarter(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    start = latest(today, 3 * int(found[1]) - 2, year=found[2])
    return (start, months_after(start, 3)) if start <= today else None


def _months(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """From the beginning of one month to the end of another; a year is that of the latter."""
    first, last = MONTHS.index(found[1]), MONTHS.index(found[2])
    start = latest(today, first + 1, year=found[3])
    if found[3] and last < first:
        start = year_before(start)
    return (start, months_after(start, (last - first) % 12 + 1)) if start <= today else None


def _both_months(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Two months that follow each other, or are of one year; of others, the first alone counts."""
    follows = (MONTHS.index(found[2]) - MONTHS.index(found[1])) % 12 == 1
    return _months(found, today) if follows or found[3] else None


def _month_in_figures(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "2025-11" and "11/2025"."""
    year, month = int(found[1] or found[4]), int(found[2] or found[3])
    start = today.replace(year=year, month=month, day=1)
    return (start, next_month(start)) if start <= today else None


def _week_in_figures(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """Read "2025-W12" and "week 12 of 2025", as ISO 8601 counts them."""
    try:
        monday = date.fromisocalendar(int(found[1] or found[4]), int(found[2] or found[3]), 1)
    except ValueError:
        return None
    start = today.replace(year=monday.year, month=monday.month, day=monday.day)
    return start, start + timedelta(days=7)


def _month(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """The latest such month that has begun."""
    start = latest(today, MONTHS.index(found[1]) + 1)
    return start, next_month(start)


def _this(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """The month or year that today is in."""
    if found[1] == "year":
        start = today.replace(month=1, day=1)
        return start, months_after(start, 12)
    start = today.replace(day=1)
    return start, next_month(start)


def _year(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    year = int(found[1])
    start = today.replace(year=year, month=1, day=1)
    return (start, start.replace(year=year + 1)) if year <= today.year else None


def _weekday(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """A named day is the latest one; "a week last Monday" is seven days before that."""
    back = (today.weekday() - WEEKDAYS.index(found[2])) % 7 or 7
    back += 7 if found[1] else 0
    return days(today, -back, 1 - back)


PHRASES: tuple[tuple[re.Pattern[str], Read], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (
            rf"\b(?:between|from) {MONTH} (?:and|to|until|till) {MONTH}{IN_A_YEAR}\b",
            _months,
        ),
        (rf"\b(?:in|during) {MONTH}(?: (?:and|or) | ?/ ?){MONTH}{IN_A_YEAR}\b", _both_months),
        (
            r"\b((?:19|20)\d\d)-?w(\d\d?)\b(?!-)"
            r"|\b(?:calendar )?week (\d\d?)(?: of|,| in)? ((?:19|20)\d\d)\b",
            _week_in_figures,
        ),
        (
            rf"(?:\b(?:in|during|of) |{_OPENING})"
            r"(?:((?:19|20)\d\d)-(0[1-9]|1[0-2])|(0?[1-9]|1[0-2])/((?:19|20)\d\d))(?![\w/.-]\d)\b",
            _month_in_figures,
        ),
        *NAMED,
        (r"\b(?:last night|yesterday evening)\b", lambda _, today: days(today, -1, 0)),
        (r"\bthis (?:morning|afternoon|evening)\b", lambda _, today: days(today, 0, 1)),
        (r"\b(?:the other day|recently|lately)\b", _lately),
        (r"\bday before yesterday\b", lambda _, today: days(today, -2, -1)),
        (rf"\bweek {BEFORE_LAST}", lambda _, today: week(today, -2)),
        (r"\bthis week\b", lambda _, today: week(today, 0)),
        (r"\blast week\b", lambda _, today: week(today, -1)),
        (r"\b(?:this )?(last|this|the|past) weekend\b", _weekend),
        (
            rf"(?:\b(?:last|this|past|(?:in|over|during|through|throughout)(?: the)?) "
            rf"|{_OPENING_THE}|\b(?=\w+,? (?:of |in )?(?:19|20)\d\d\b)){_SEASON}\b{IN_A_YEAR}"
            r"(?! of (?!the year))",  # "the fall of Rome"
            _season,
        ),
        (r"\bq([1-4]),? (?:of |in )?((?:19|20)\d\d)\b", _quarter),
        (
            # "Q4 FY25" is of a year that begins when a firm says.
            rf"(?:\b(?:in|of|during|last) |{_OPENING})q([1-4])()\b"
            r"(?! (?:of )?(?:fy|['\u2019]?\d\d\b))",
            _quarter,
        ),
        (r"(?<=(?:end|art|ing|dle) of the )(month|year)\b", _this),
        (rf"(?:\b(?:in|during|of|last) |{_OPENING})((?:19|20)\d\d)\b(?![-/.:]\d)", _year),
        (rf"\b(a week )?last ({'|'.join(WEEKDAYS)})\b", _weekday),
        (
            rf"(?:\b(?:in|during|throughout|from(?= (?:{_NO_NAMES}))) "
            rf"|(?<=since )|(?<=after )|(?<=before )|(?<=until )){MONTH}\b"
            r"(?!,? (?:of )?(?:the )?\d|['\u2019]s)",
            _month,
        ),
        *DECADES,
    )
)
