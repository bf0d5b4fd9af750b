"""Times as people say them: "last week", "in March", "the day before yesterday".

parsedatetime parses most of it; what it does not know (seasons, "the week before last", a year,
"the end of") is matched here. Questions look back, so a month or weekday without a year is the
latest one. English only: phrases in other languages are ignored, and only the boost is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from lmort_memory.memory.calendar_days import (
    MONTH,
    MONTHS,
    SEASONS,
    WEEKDAYS,
    days,
    latest,
    months_after,
    next_month,
    week,
    year_before,
)
from lmort_memory.memory.named_days import NAMED
from lmort_memory.memory.ranges import composed
from lmort_memory.times import day_of

__all__ = ["Span", "ago", "dated", "everything_before", "spoken", "without"]


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` until just before `end`, both aware; `words` is the phrase."""

    start: datetime
    end: datetime
    words: str

    def holds(self, when: datetime) -> bool:
        """Return whether a time is in the span."""
        return self.start <= when < self.end


_NUMBERS = {
    "a": 1,
    "one": 1,
    "two": 2,
    "couple of": 2,
    "three": 3,
    "few": 3,
    "several": 4,
    "four": 4,
    "five": 5,
}
_DAYS = {"day": 1, "week": 7, "fortnight": 14, "month": 30, "year": 365}
_COUNT = rf"(?:the |a )?({'|'.join(_NUMBERS)}|\d{{1,4}})"
_UNIT = rf"({'|'.join(_DAYS)})s?"
_THE_YEAR = r"(?: (?:of )?((?:19|20)\d\d))?"
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
    rf"(?:{MONTH}|{'|'.join(SEASONS)}|month|year|(?:19|20)\d\d|q[1-4]\b)"
)
# Words that usually are not a month or season.
_DOUBTFUL = re.compile(r"^(?:may|march|mar|sun|sat|wed|second|fall)$", re.IGNORECASE)
_PREPOSITION = re.compile(
    r"\b(?:in|of|since|last|this|during|before|until|by|from|prior to|up to|early|mid|late)[\s-]*$"
)
_OPEN = re.compile(r"\b(since|before|until|after|prior to|up to)\s+(?:the\s+)?$")
_HYPHENED = re.compile(r"\b(mid|early|late)-(?=\w)", re.IGNORECASE)
# Words before a time that are not part of the match, since `_opened` reads them.
_OPENERS = (
    *("since ", "before ", "until ", "after ", "prior to ", "up to "),
    *("early ", "mid ", "late "),
)
_OPENING = f"(?:{'|'.join(f'(?<={word})' for word in _OPENERS)})"
_END = "end of "
_AHEAD = re.compile(r"\b(?:coming|next|this)\s+$")
# Names that every week or year has, unless a word says which one is meant.
_EVERY_YEAR = re.compile(
    rf"^(?!.*(?:\d{{4}}|last|past|ago|since|after|before))"
    rf".*(?:{'|'.join((*MONTHS, *WEEKDAYS, *SEASONS))}|christmas|new year|easter"
    r"|\d(?:st|nd|rd|th)\b)"
)
_LOOKS_AHEAD = re.compile(
    r"\b(?:will|shall|won['\u2019]t|\w+['\u2019]ll|going|coming|plan|plans|upcoming"
    r"|(?:am|are|is) \w+ \w+ing)\b"
)
_LOOKS_BACK = re.compile(
    r"\b(?:did|didn['\u2019]t|was|were|had|has|have|been|went|said|told|happened|last|ago)\b"
)
_LONGEST = 1000  # characters that are searched for a time; a pasted document is not a question
_ALWAYS = datetime(2, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=16)  # a chat asks for the time of its turn more than once
def spoken(text: str, now: datetime) -> Span | None:
    """Return the past time that a text names, or None.

    Args:
        text: A question such as "What did Ada say last week?".
        now: The current time, aware; its zone determines when a day begins.
    """
    text = _plain(text)
    lowered = text.casefold()
    span = _named(text, lowered, now)
    return None if span is not None and _looks_ahead(lowered, span) else span


def _named(text: str, lowered: str, now: datetime) -> Span | None:
    found = composed(lowered[:_LONGEST], now, lambda part: _beginning(part, now))
    if found is not None:
        return _past(_opened(lowered[: found.begins], Span(*found.times, found.words), now), now)
    return _single(text, lowered, now)


def _beginning(part: str, now: datetime) -> tuple[datetime, datetime, str] | None:
    """Read the time that a text in lower case begins with: "the 14th", "monday", "2023"."""
    for opening in ("", "on ", "on the ", "in ", "in the "):
        span = _single(opening + part, opening + part, now)
        words = "" if span is None else span.words.casefold().strip()
        begins = (opening + part).find(words)
        if span is not None and 0 <= begins <= len(opening):
            return span.start, span.end, part[: begins + len(words) - len(opening)]
    return None


def _single(text: str, lowered: str, now: datetime) -> Span | None:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for pattern, read in _PATTERNS:
        found = pattern.search(lowered)
        span = None if found is None else read(found, today)
        if found is not None and span is not None:
            return _past(_opened(lowered[: found.start()], Span(*span, found[0]), now), now)
    return _past(_parsed(text, now), now)


def _looks_ahead(lowered: str, span: Span) -> bool:
    """Return whether a month or day without a year is the coming one: "Where do we go in May?"."""
    words = span.words.casefold()
    return (
        _EVERY_YEAR.search(words) is not None
        and _LOOKS_AHEAD.search(lowered) is not None
        and _LOOKS_BACK.search(lowered) is None
    )


def _past(span: Span | None, now: datetime) -> Span | None:
    """Return a span unless it is in the future, or empty."""
    return span if span is not None and span.start <= now and span.start < span.end else None


def without(text: str, span: Span) -> str:
    """Return a text without the words that name its time."""
    start = _plain(text).casefold().find(span.words.casefold())
    return text if start < 0 else f"{text[:start]} {text[start + len(span.words) :]}"


def _plain(text: str) -> str:
    """Return a text of the same length whose "mid-November" is "mid November"."""
    return _HYPHENED.sub(r"\1 ", text)


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


_Read = Callable[["re.Match[str]", datetime], "tuple[datetime, datetime] | None"]


def _weekend(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    saturday = 5 - today.weekday() - (7 if found[1] == "last" or today.weekday() < 5 else 0)
    return days(today, saturday, saturday + 2)


def _last_days(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    count = _NUMBERS.get(found[1] or "a") or int(found[1])
    return days(today, -min(count, 100) * _DAYS[found[2]], 1)


def _so_long_ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Take the day; for weeks, months and years, half a unit on both sides."""
    length = _DAYS[found[2]]
    centre = -(_NUMBERS.get(found[1]) or min(int(found[1]), 100)) * length
    return days(today, centre - length // 2, centre + length // 2 + 1)


def _season(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    start = latest(today, SEASONS[found[1]], year=found[2])
    return start, months_after(start, 3)


def _lately(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    return days(today, -10 if found[0] == "the other day" else -30, 1)


def _day_of_month(found: re.Match[str], today: datetime) -> tuple[datetime, datetime] | None:
    """The latest such day of a month, not after today."""
    month = today.replace(day=1)
    for _ in range(12):
        day = month + timedelta(days=int(found[1]) - 1)
        if day.month == month.month and day <= today:
            return day, day + timedelta(days=1)
        month = (month - timedelta(days=1)).replace(day=1)
    return None


def _feast(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Christmas and the turn of the year, with some days on either side."""
    first, length = (21, 7) if found[2] == "christmas" else (30, 4)
    start = latest(today, 12, first, year=found[3])
    if found[1] and not found[3] and start.year == today.year:
        start = year_before(start)
    return start, start + timedelta(days=length)


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


_PATTERNS: tuple[tuple[re.Pattern[str], _Read], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        *NAMED,
        (r"\b(?:last night|yesterday evening)\b", lambda _, today: days(today, -1, 0)),
        (r"\bthis (?:morning|afternoon|evening)\b", lambda _, today: days(today, 0, 1)),
        (r"\b(?:the other day|recently|lately)\b", _lately),
        (
            rf"\b(?:between|from) {MONTH} (?:and|to|until|till) {MONTH}{_THE_YEAR}\b",
            _months,
        ),
        (r"\bday before yesterday\b", lambda _, today: days(today, -2, -1)),
        (r"\bweek before last\b", lambda _, today: week(today, -2)),
        (r"\bthis week\b", lambda _, today: week(today, 0)),
        (r"\blast week\b", lambda _, today: week(today, -1)),
        (r"\b(last|this|the) weekend\b", _weekend),
        (rf"\b(?:last|past) {_COUNT} {_UNIT}\b", _last_days),
        (r"\b()(?:past (?=day|week|month|year)|last (?=fortnight))" + _UNIT, _last_days),
        (rf"\b{_COUNT} {_UNIT} ago\b", _so_long_ago),
        (rf"\b(?:last|this|in|in the|during the) ({'|'.join(SEASONS)})\b{_THE_YEAR}", _season),
        (
            rf"\b(?:on|{'|'.join(WEEKDAYS)}) the (\d{{1,2}})(?:st|nd|rd|th)(?=\s*(?:[?.,;!]|$))",
            _day_of_month,
        ),
        (
            rf"(?:\b(?:at|over|around|this|(last)) |{_OPENING})"
            rf"(christmas|new year)\b{_THE_YEAR}",
            _feast,
        ),
        (r"\bq([1-4]) (?:of )?((?:19|20)\d\d)\b", _quarter),
        (rf"(?:\b(?:in|of|during|last) |{_OPENING})q([1-4])()\b", _quarter),
        (r"(?<=(?:end|art|ing|dle) of the )(month|year)\b", _this),
        (rf"(?:\b(?:in|during|of|last) |{_OPENING})((?:19|20)\d\d)\b(?![-/.:]\d)", _year),
        (rf"\b(a week )?last ({'|'.join(WEEKDAYS)})\b", _weekday),
    )
)


def _opened(before: str, span: Span, now: datetime) -> Span:
    """Narrow a span to its beginning or end, or widen it to one side, as the words before say."""
    part = _PART.search(before)
    if part is not None and (part[1] or _LONG.match(span.words.casefold())):
        low, high = _PARTS[part[1] or part[2]]
        length = span.end - span.start
        span = Span(span.start + low * length, span.start + high * length, part[0] + span.words)
        before = before[: part.start()]
    found = _OPEN.search(before)
    if found is None:
        return span
    if found[1] in ("since", "after"):
        return Span(span.start if found[1] == "since" else span.end, now, found[0] + span.words)
    return Span(everything_before(now), span.start, found[0] + span.words)


def everything_before(now: datetime) -> datetime:
    """Return a time before all others, in the zone of `now`."""
    return _ALWAYS.replace(tzinfo=now.tzinfo)


@cache
def _calendar() -> Any:  # noqa: ANN401 - parsedatetime publishes no types
    import parsedatetime

    return parsedatetime.Calendar(version=parsedatetime.VERSION_CONTEXT_STYLE)


def _parsed(text: str, now: datetime) -> Span | None:
    """Let parsedatetime find a time; a future time is moved back, or ignored."""
    text = text[:_LONGEST]
    for when, context, start, _, words in _times_in(text, now):
        said = words.strip()
        before = text[: start + len(words) - len(words.lstrip())].casefold()
        if said.casefold().startswith(_END):  # which parsedatetime takes for the whole month
            before, said = before + _END, said[len(_END) :]
        doubtful = _DOUBTFUL.match(said) and not _PREPOSITION.search(before)
        if doubtful or not context.hasDate or _is_clock(said):
            continue
        span = _of(when.replace(tzinfo=now.tzinfo), context, said, now)
        if span is not None and not _AHEAD.search(before):
            opening, _, rest = said.rpartition(" ")
            if _OPEN.search(f"{opening.casefold()} "):
                before, span = f"{opening.casefold()} ", replace(span, words=rest)
            return _opened(before, span, now)
    return None


def _times_in(text: str, now: datetime) -> Sequence[Any]:
    """Return what parsedatetime finds; nothing where it fails, as it does over 10 ** 20 years."""
    try:
        return _calendar().nlp(text, sourceTime=now) or ()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return ()


def _is_clock(said: str) -> bool:
    return not re.search(r"[a-z]", said, re.IGNORECASE) and not re.search(r"\d\d\d\d|\d/\d", said)


def _of(when: datetime, context: Any, said: str, now: datetime) -> Span | None:  # noqa: ANN401
    if when.year > now.year + 1000:  # nothing that was said; and the calendar ends
        return None
    accuracy = context.accuracy
    start = when.replace(hour=0, minute=0, second=0, microsecond=0)
    if accuracy & context.ACU_DAY or accuracy & context.ACU_HALFDAY:
        end = start + timedelta(days=1)
    elif accuracy & context.ACU_WEEK:
        start, end = week(start, 0)
    elif accuracy & context.ACU_MONTH:
        start = start.replace(day=1)
        end = next_month(start)
    elif accuracy & context.ACU_YEAR:
        start = start.replace(month=1, day=1)
        end = start.replace(year=start.year + 1)
    else:
        return None
    if start > now:
        if re.search(r"\b(next|tomorrow|coming|in \d+|from now)\b", said, re.IGNORECASE):
            return None
        weekday = said.casefold().split()[-1] in WEEKDAYS
        if weekday:
            start, end = start - timedelta(days=7), end - timedelta(days=7)
        elif start.year == now.year + 1 and not re.search(r"\d{4}", said):
            start, end = (year_before(one) for one in (start, end))
    return Span(start, end, said) if start <= now else None
