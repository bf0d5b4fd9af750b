"""Times that parsedatetime reads, set right: they lie in the past, and are whole days or more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from lmort_memory.memory.times.calendar_days import MONTHS, WEEKDAYS, next_month, week, year_before
from lmort_memory.memory.times.doubts import doubtful
from lmort_memory.memory.times.openings import BEGINS_OPEN, opened
from lmort_memory.memory.times.spans import Span

__all__ = ["parsed"]

_END = "end of "
_EVERY_YEAR = re.compile(rf"\b(?:{'|'.join(month[:3] for month in MONTHS)})|\d/\d", re.IGNORECASE)
_AHEAD = re.compile(r"\b(?:coming|next|this)\s+$")


def parsed(text: str, now: datetime) -> Span | None:
    """Let parsedatetime find a time; a future time is moved back, or ignored."""
    for when, context, start, end, words in _times_in(text, now):
        said = words.strip()
        before = text[: start + len(words) - len(words.lstrip())].casefold()
        if said.casefold().startswith(_END):  # which parsedatetime takes for the whole month
            before, said = before + _END, said[len(_END) :]
        opening = BEGINS_OPEN.match(said)
        if opening is not None:
            before, said = before + opening[0].casefold(), said[opening.end() :]
        if not context.hasDate or _is_clock(said) or _AHEAD.search(before):
            continue
        if doubtful(before, said.casefold(), text[end:].casefold()):
            continue
        span = _of(when.replace(tzinfo=now.tzinfo), context, said, now)
        if span is not None:
            return opened(before, span, now)
    return None


@cache
def _calendar() -> Any:  # noqa: ANN401 - parsedatetime publishes no types
    import parsedatetime

    return parsedatetime.Calendar(version=parsedatetime.VERSION_CONTEXT_STYLE)


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
        elif _EVERY_YEAR.search(said) and not re.search(r"\d{4}", said):
            start, end = (year_before(one) for one in (start, end))
    return Span(start, end, said) if start <= now else None
