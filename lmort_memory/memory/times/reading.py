"""Times as people say them: "last week", "in March", "the day before yesterday".

parsedatetime parses most of it; what it does not know (seasons, "the week before last", a year,
"the end of") is matched here. Questions look back, so a month or weekday without a year is the
latest one. English only: phrases in other languages are ignored, and only the boost is lost.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from itertools import islice

from lmort_memory.memory.times.ahead import looks_ahead
from lmort_memory.memory.times.doubts import doubtful
from lmort_memory.memory.times.openings import opened
from lmort_memory.memory.times.parsed import parsed
from lmort_memory.memory.times.phrases import PHRASES
from lmort_memory.memory.times.ranges import composed
from lmort_memory.memory.times.spans import Span, past
from lmort_memory.memory.times.wording import in_full, lowered
from lmort_memory.times import day_of

__all__ = ["ago", "dated", "spoken", "without"]

_FROM = re.compile(r"\bfrom (?:the )?$")
_ON = re.compile(r"\s*(?:onwards?|forwards?|on(?!\s+(?:the|my|our|your|a|an|this|that)\b))\b")
_LONGEST = 1000  # characters that are searched for a time; a pasted document is not a question
_MOST = 5  # places of one phrase that are tried


def spoken(text: str, now: datetime) -> Span | None:
    """Return the past time that a text names, or None.

    Args:
        text: A question such as "What did Ada say last week?".
        now: The current time, aware, to the second; its zone determines when a day begins.
    """
    return _spoken(text, now.replace(microsecond=0))


@lru_cache(maxsize=16)  # a chat asks for the time of its turn more than once in a second
def _spoken(text: str, now: datetime) -> Span | None:
    said = text[:_LONGEST]
    wording = in_full(said, now)
    small = lowered(wording.text)
    span = _named(wording.text, small, now)
    if span is None:
        return None
    words = lowered(span.words)
    if looks_ahead(small, small[: max(small.find(words), 0)], words):
        return None
    return replace(span, words=wording.as_said(span.words, said))


def _named(text: str, small: str, now: datetime) -> Span | None:
    found = composed(small, now, lambda part: _beginning(part, now))
    if found is not None:
        return past(opened(small[: found.begins], Span(*found.times, found.words), now), now)
    span = _single(text, small, now)
    return None if span is None else _onward(small, span, now)


def _beginning(part: str, now: datetime) -> tuple[datetime, datetime, str] | None:
    """Read the time that a text in lower case begins with: "the 14th", "monday", "2023"."""
    for opening in ("", "on ", "on the ", "in ", "in the "):
        span = _single(opening + part, opening + part, now)
        words = "" if span is None else lowered(span.words).strip()
        begins = (opening + part).find(words)
        if span is not None and 0 <= begins <= len(opening):
            return span.start, span.end, part[: begins + len(words) - len(opening)]
    return None


def _single(text: str, small: str, now: datetime) -> Span | None:
    """Read a time that is not made of others."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for pattern, read in PHRASES:
        for found in islice(pattern.finditer(small), _MOST):
            before = small[: found.start()]
            span = None if doubtful(before, found[0], small[found.end() :]) else read(found, today)
            if span is not None:
                return past(opened(before, Span(*span, found[0]), now), now)
    return past(parsed(text, now), now)


def _onward(small: str, span: Span, now: datetime) -> Span:
    """Read "from March onwards", "from Monday on" and "as from March": up to now."""
    words = lowered(span.words)
    before, found, after = small.partition(words)
    if not found or not (words.startswith("from ") or _FROM.search(before)):
        return span
    on = _ON.match(after)
    if on is None and not before.endswith("as "):
        return span
    return Span(span.start, now, span.words + (on[0] if on else ""))


def without(text: str, span: Span) -> str:
    """Return a text without the words that name its time."""
    start = lowered(text).find(lowered(span.words))
    return text if start < 0 else f"{text[:start]} {text[start + len(span.words) :]}"


def ago(when: datetime, now: datetime) -> str:
    """Say how long ago a time is, as a person would.

    >>> from datetime import UTC
    >>> now = datetime(2026, 11, 26, tzinfo=UTC)
    >>> ago(datetime(2026, 11, 25, tzinfo=UTC), now), ago(datetime(2026, 8, 1, tzinfo=UTC), now)
    ('yesterday', '4 months ago')
    """
    days = (now.date() - day_of(when)).days
    if days < 0:
        return f"in {-days} days" if days < -1 else "tomorrow"
    if days < 2:
        return ("today", "yesterday")[days]
    for limit, unit, length in ((14, "day", 1.0), (60, "week", 7.0), (700, "month", 30.44)):
        if days < limit:
            count = round(days / length)
            return f"{count} {unit}s ago"
    return f"{round(days / 365.25)} years ago"


def dated(when: datetime, now: datetime) -> str:
    """Return weekday, date and distance of a time: "Wed 25 Nov 2026, yesterday"."""
    day = day_of(when)
    return f"{day:%a} {day.day} {day:%b %Y}, {ago(when, now)}"
