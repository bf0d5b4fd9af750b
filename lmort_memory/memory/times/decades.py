"""Decades: "in the nineties", "the late 80s", "the early 2000s"."""

from __future__ import annotations

import re
from datetime import datetime

from lmort_memory.memory.times.calendar_days import Read

__all__ = ["DECADE", "DECADES"]

_IN_WORDS = {
    "noughties": 0,
    "fifties": 50,
    "sixties": 60,
    "seventies": 70,
    "eighties": 80,
    "nineties": 90,
}
# "The 20s" is a temperature as often as a decade, and "her nineties" is an age.
_SHORT = rf"['\u2019]?[5-9]0['\u2019]?s|['\u2019]\d0s|{'|'.join(_IN_WORDS)}"
DECADE = rf"(?:(?:19|20)\d0['\u2019]?s|{_SHORT})"
_BEFORE = "|".join(f"(?<={word} )" for word in ("the", "early", "mid", "late"))


def _decade(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    """Read a decade; without a century, the latest that has begun."""
    figures = re.sub(r"\D", "", found[0])
    year = _IN_WORDS.get(found[0], int(figures or 0))
    if year < 100:
        year += 2000 if 2000 + year <= today.year else 1900
    start = today.replace(year=year, month=1, day=1)
    return start, start.replace(year=year + 10)


DECADES: tuple[tuple[str, Read], ...] = (
    (r"\b(?:19|20)\d0['\u2019]?s\b", _decade),
    (rf"(?:{_BEFORE})(?:{_SHORT})\b(?! (?:percent|per cent|degrees)\b)", _decade),
)
