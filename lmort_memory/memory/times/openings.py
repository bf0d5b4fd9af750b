"""The words before a time: "since", "until", "the end of", "the week before", "up to"."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

from lmort_memory.memory.times.calendar_days import (
    MONTH,
    SEASONS,
    WEEKDAYS,
    next_month,
    year_before,
)
from lmort_memory.memory.times.counted import COUNT, number
from lmort_memory.memory.times.decades import DECADE
from lmort_memory.memory.times.feasts import the_day_of
from lmort_memory.memory.times.spans import Span, everything_before

__all__ = ["BEGINS_OPEN", "opened"]

# Shares of a span, with slack: people who say "the end of May" do not look at a calendar.
_PARTS = {
    **dict.fromkeys(("beginning", "start", "early"), (0.0, 0.4)),
    **dict.fromkeys(("middle", "mid"), (0.25, 0.75)),
    **dict.fromkeys(("end", "late"), (0.6, 1.0)),
}
_PART = re.compile(
    r"\b(?:the )?(?:(beginning|start|middle|end) of(?: the| this)?|(early|mid|late))[\s-]*$"
)
# "Early" and "late" narrow no day or week: "who came late yesterday".
_LONG = re.compile(
    rf"(?:in |of |the |last |this )*"
    rf"(?:{MONTH}|{'|'.join(SEASONS)}|month|year|(?:19|20)\d\d|q[1-4]\b|{DECADE})"
)
_FROM_IT_ON = ("since", "not before", "not earlier than", "no earlier than")
_AFTER_IT = ("after", "following", "later than", "newer than")
_UNTIL_ITS_END = ("not after", "not later than", "no later than")
_UNTIL_IT = ("before", "until", "till", "prior to", "up to", "earlier than", "older than")
_OPENERS = rf"({'|'.join((*_FROM_IT_ON, *_UNTIL_ITS_END, *_AFTER_IT, *_UNTIL_IT))})"
_OPENED_BY = re.compile(rf"\b{_OPENERS}\s+(?:on\s+)?(?:the\s+)?$")
# At the beginning of what parsedatetime takes for one time: "after 3 November".
BEGINS_OPEN = re.compile(rf"{_OPENERS}\s+(?:on\s+)?(?:the\s+)?(?=\S)", re.IGNORECASE)
# What follows a clock is the day: after 3 pm yesterday it was yesterday still.
_CLOCK = re.compile(
    r"(?:\d{1,2}(?::\d\d)?\s*(?:[ap]\.?m\b\.?|o['\u2019]clock)|\d{1,2}:\d\d"
    r"|noon|midnight|breakfast|lunch|dinner)\s+\S"
)
_RUN_UP = re.compile(r"\b(?:in |during )?(?:the )?(?:run|lead|build)[- ]?up to\s+(?:the\s+)?$")
_RUN_UP_DAYS = 21
# "What did I sign up to in March?" names March, whatever the verb.
_NAMED_WITH = ("in ", "at ", "during ", "over ")
# "More than a year ago", "less than a week ago".
_SO_FAR = re.compile(r"\b(?:(more than|over|at least)|less than|under|at most)\s+$")
# "What were you up to on Friday?" is about Friday; "what was the total up to Friday?" is not.
_DOING = re.compile(
    r"(?:\b(?:get|gets|getting|got|gotten|been|being|turned|showed|shown|signed)(?: \w+)?"
    r"|(?:\bwhat(?:['\u2019](?:s|re|m)|\s+(?:\w+\s+)?(?:is|are|r|am|was|were))"
    r"|^(?:is|are|am|was|were))"
    r"(?! (?:the |my |our |your |their )?"
    r"(?:total|balance|score|count|number|sum|amount|state|status)\b)"
    r"(?:\s+[\w'\u2019-]+){1,4}|\b(?:i|you|he|she|we|they) (?:was|were|am|are|is))\s+$"
)
_DAYS = ("day", "night", "evening", "morning", "afternoon")
_BESIDE = re.compile(
    rf"\b(?:on |in |during )?(?:the )?(?:(?:very|first|last|next|previous) )?(?:{COUNT} )?"
    rf"({'|'.join((*_DAYS, *WEEKDAYS))}|weekend|week|fortnight|month|year)(?P<many>s)?"
    r" (?P<side>before|after|following|preceding|prior to|leading up to)\s+(?:on\s+)?(?:the\s+)?$"
)
_ALL_OF_THEM = re.compile(r"(?:on |in |during )?the ")  # "the two weeks before", all of both
_SOME = 7  # "in the days before Christmas"
_LENGTHS = {"week": 7, "fortnight": 14, "month": 30, "year": 365}
_FURTHEST = 1000  # units


def opened(before: str, span: Span, now: datetime) -> Span:
    """Narrow a span to its beginning or end, or widen or move it, as the words before it say.

    Args:
        before: What stands before the span's words, in lower case.
        span: The span.
        now: The current time.
    """
    before, span = _part(before, span)
    for pattern, read in _READERS:
        found = pattern.search(before)
        if found is not None:
            return read(found, span, now)
    return span


def _part(before: str, span: Span) -> tuple[str, Span]:
    """Read "the end of" and "early", and return what stands before that, and the part."""
    part = _PART.search(before)
    if part is None or not (part[1] or _LONG.match(span.words.casefold())):
        return before, span
    low, high = _PARTS[part[1] or part[2]]
    length = span.end - span.start
    start, end = span.start + low * length, span.start + high * length
    return before[: part.start()], Span(start, end, part[0] + span.words)


def _so_far(found: re.Match[str], span: Span, now: datetime) -> Span:
    """Read "more than" and "less than" before "a year ago"."""
    if not span.words.endswith((" ago", " back")):
        return span
    words, middle = found[0] + span.words, span.start + (span.end - span.start) / 2
    if found[1]:
        return Span(everything_before(now), middle, words)
    return Span(middle, now, words)


def _run_up(found: re.Match[str], span: Span, _: datetime) -> Span:
    return Span(span.start - timedelta(days=_RUN_UP_DAYS), span.start, found[0] + span.words)


def _opened(found: re.Match[str], span: Span, now: datetime) -> Span:
    """Read "since" and "until", and all that means one of them."""
    if found[1] == "up to" and _is_doing(found.string[: found.start()], span):
        return span
    words, clock = found[0] + span.words, _CLOCK.match(span.words.casefold()) is not None
    if found[1] in (*_FROM_IT_ON, *_AFTER_IT):
        after = found[1] in _AFTER_IT and not clock
        return Span(span.end if after else span.start, now, words)
    end = span.end if clock or found[1] in _UNTIL_ITS_END else span.start
    return Span(everything_before(now), end, words)


def _is_doing(before: str, span: Span) -> bool:
    """Return whether "up to" belongs to what was done."""
    return span.words.casefold().startswith(_NAMED_WITH) or _DOING.search(before) is not None


def _beside(found: re.Match[str], span: Span, _: datetime) -> Span:
    """Read "the day after Christmas", "two weeks before the 5th", "the Sunday after Easter"."""
    counted, unit = found[1] or found[2], found[3]
    earlier = found["side"] not in ("after", "following")
    span = replace(span, words=found[0] + span.words)
    start, end = the_day_of(span.words, span.start, span.end)
    if unit in WEEKDAYS or unit == "weekend":
        first = WEEKDAYS.index("saturday" if unit == "weekend" else unit)
        return _at(span, _next_to(start, end, (first, 2 if unit == "weekend" else 1), earlier))
    count = min(number(counted), _FURTHEST) if counted else 1
    if _ALL_OF_THEM.match(found[0]) and (counted or found["many"]):
        away = timedelta(days=(count if counted else _SOME) * _LENGTHS.get(unit, 1))
        return _at(span, (start - away, start) if earlier else (end, end + away))
    if unit in _DAYS:
        day = start - timedelta(days=count) if earlier else end + timedelta(days=count - 1)
        return _at(span, (day, day + timedelta(days=1)))
    if counted:  # so far away, with half a unit on both sides
        length = _LENGTHS[unit]
        away = timedelta(days=count * length)
        centre = start - away if earlier else end + away - timedelta(days=1)
        slack = timedelta(days=length // 2)
        return _at(span, (centre - slack, centre + slack + timedelta(days=1)))
    return _at(span, _neighbour(start, end, unit, earlier))


def _at(span: Span, times: tuple[datetime, datetime]) -> Span:
    return replace(span, start=times[0], end=times[1])


def _next_to(
    start: datetime, end: datetime, days: tuple[int, int], earlier: bool
) -> tuple[datetime, datetime]:
    """Return the nearest such day of the week, or two, that is not in the span."""
    weekday, length = days
    if earlier:
        latest = start - timedelta(days=length)
        first = latest - timedelta(days=(latest.weekday() - weekday) % 7)
    else:
        first = end + timedelta(days=(weekday - end.weekday()) % 7)
    return first, first + timedelta(days=length)


def _neighbour(
    start: datetime, end: datetime, unit: str, earlier: bool
) -> tuple[datetime, datetime]:
    """Return the unit beside a span; that of the calendar, if the span is one itself."""
    if unit == "month" and start.day == 1 and end == next_month(start):
        if earlier:
            return (start - timedelta(days=1)).replace(day=1), start
        return end, next_month(end)
    if unit == "year" and (start.month, start.day, end.month, end.day) == (1, 1, 1, 1):
        return (year_before(start), start) if earlier else (end, end.replace(year=end.year + 1))
    length = timedelta(days=_LENGTHS[unit])
    return (start - length, start) if earlier else (end, end + length)


_READERS = ((_BESIDE, _beside), (_SO_FAR, _so_far), (_RUN_UP, _run_up), (_OPENED_BY, _opened))
