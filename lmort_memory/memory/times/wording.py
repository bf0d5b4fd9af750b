"""The words of a question as the patterns know them: "Sept." as September, "last year" as 2025.

Each character keeps its place in what was said, so that a span can name the words that were.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lmort_memory.memory.times.calendar_days import MONTH, MONTHS, SEASONS, WEEKDAYS
from lmort_memory.memory.times.counted import COUNT, number
from lmort_memory.memory.times.feasts import FEAST

__all__ = ["Wording", "in_full", "lowered"]

_Full = Callable[["re.Match[str]"], "str | None"]

_HYPHENED = re.compile(r"\b(mid|early|late)-(?=\w)", re.IGNORECASE)
_ALWAYS = {
    "sept": "september",
    "xmas": "christmas",
    "tues": "tuesday",
    "weds": "wednesday",
    "thur": "thursday",
    "thurs": "thursday",
}
_SHORT_DAYS = {day[:3]: day for day in WEEKDAYS}
_SHORT_MONTHS = {month[:3]: month for month in MONTHS}
_SHORT = re.compile(rf"\b({'|'.join(_ALWAYS)})\b(?:\.(?= ?(?-i:[\da-z])))?", re.IGNORECASE)
# "Sun", "sat" and "mar" are other words too.
_SHORT_DAY = re.compile(
    rf"\b(on|last|this|since) ({'|'.join(_SHORT_DAYS)})\b"
    r"(?=\s*(?:[?.,;!]|$)| (?:early |late )?(?:morning|afternoon|evening|night)\b)",
    re.IGNORECASE,
)
_SHORT_MONTH = re.compile(
    r"\b(in|of|since|last|this|early|mid|late|until|till|before|after|during)"
    rf" ({'|'.join(_SHORT_MONTHS)})\b",
    re.IGNORECASE,
)
_NAME = (
    rf"(?:{MONTH[1:-1]}|{'|'.join(SEASONS)}|q[1-4]|quarter|half(?= of )|{FEAST})"
    r"(?: (?:the )?\d{1,2}(?:st|nd|rd|th)?)?"
)
_RELATIVE = (
    r"(?:(?:in |back in )?(?:the )?(?:last year|this year|year before last)"
    rf"|{COUNT} years? (?:ago|back))"
)
_YEAR_AFTER = re.compile(
    rf"\b(?P<name>(?:(?:days|weeks?|months) of(?= (?:last|this) year))|{_NAME})"
    rf",? (?P<of>of )?(?P<year>{_RELATIVE})\b",
    re.IGNORECASE,
)
_YEAR_BEFORE = re.compile(
    rf"\b(?P<year>{_RELATIVE})(?P<of>,? (?:in|at|on|over|during|around)(?: the)? |['\u2019]s )"
    rf"(?P<name>{_NAME})\b",
    re.IGNORECASE,
)
_DAY_OR_NAME = "|".join((*WEEKDAYS, "night", "week", "weekend", "month", "year", *MONTHS, *SEASONS))
_BUT_ONE = re.compile(rf"\blast ({_DAY_OR_NAME}) but one\b", re.IGNORECASE)
# "May '25" and "in '98", but not "in '24 Hours'".
_APOSTROPHE = re.compile(
    rf"\b(?P<before>{_NAME},? (?:of |in )?)['\u2019](?P<year>\d\d)\b(?!['\u2019])"
    r"|\b(?P<in>(?:in|since|until|till|before|after|during|of) )['\u2019](?P<bare>\d\d)"
    r"(?=\s*(?:[?.,;:!)]|$)|\s+(?:i|we|you|he|she|they|did|was|were|and|when|with|the|at)\b)",
    re.IGNORECASE,
)
# A month that may be a person or a verb is a month after such a word: "whom did May see last year?"
_DOUBTFUL = re.compile(r"(?:may|march|june|april|august)$", re.IGNORECASE)
_MONTH_BEFORE = re.compile(
    r"(?:\b(?:in|of|since|early|mid|late|during|before|after|until|from)|\d(?:st|nd|rd|th)?) $",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Wording:
    """A text that says the same as another.

    Attributes:
        text: The text.
        places: For each of its characters, and its end, the place in what was said.
    """

    text: str
    places: tuple[int, ...]

    def as_said(self, words: str, said: str) -> str:
        """Return the words that some words of the text stand for."""
        start = lowered(self.text).find(lowered(words))
        if start < 0 or not words:
            return words
        return said[self.places[start] : self.places[start + len(words)]]


def lowered(text: str) -> str:
    """Return a text in lower case, of the same length: "\u0130" would become two characters."""
    return "".join(small if len(small := one.lower()) == 1 else one for one in text)


def in_full(said: str, now: datetime) -> Wording:
    """Return a text without abbreviations, and with years by number after months and feasts."""
    wording = Wording(said, tuple(range(len(said) + 1)))
    steps: tuple[tuple[re.Pattern[str], _Full], ...] = (
        (_HYPHENED, lambda found: f"{found[1]} "),
        (_SHORT, lambda found: _ALWAYS[found[1].casefold()]),
        (_SHORT_DAY, lambda found: f"{found[1]} {_SHORT_DAYS[found[2].casefold()]}"),
        (_SHORT_MONTH, lambda found: f"{found[1]} {_SHORT_MONTHS[found[2].casefold()]}"),
        (_BUT_ONE, lambda found: f"{found[1]} before last"),
        (_APOSTROPHE, lambda found: _with_century(found, now)),
        (_YEAR_AFTER, lambda found: _with_year(found, now)),
        (_YEAR_BEFORE, lambda found: _with_year(found, now)),
    )
    for pattern, full in steps:
        wording = _reworded(wording, pattern, full)
    return wording


def _reworded(wording: Wording, pattern: re.Pattern[str], full: _Full) -> Wording:
    """Replace what a pattern finds; what both have at the beginning keeps its places."""
    texts: list[str] = []
    places: list[int] = []
    at = 0
    for found in pattern.finditer(wording.text):
        new = full(found)
        if new is None:
            continue
        same = _in_common(found[0], new)
        texts += (wording.text[at : found.start()], new)
        places += wording.places[at : found.start() + same]
        places += [wording.places[found.start() + same]] * (len(new) - same)
        at = found.end()
    if not at:
        return wording
    texts.append(wording.text[at:])
    return Wording("".join(texts), (*places, *wording.places[at:]))


def _in_common(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def _with_year(found: re.Match[str], now: datetime) -> str | None:
    """Return "June 2025" for "June of last year" and for "last year in June"."""
    name, before = found["name"], found.string[: found.start()]
    after = found.start("name") > found.start("year")
    if not after and _DOUBTFUL.match(name) and not _MONTH_BEFORE.search(before):
        return None
    year = now.year - _years_back(found)
    if name.endswith(" of"):
        return f"{name} {year}"
    of = "of " if found["of"] and not after else ""
    return f"{name} {of}{year}" if year > 1900 else None


def _with_century(found: re.Match[str], now: datetime) -> str:
    """Return "May 2025" for "May '25": the latest such year that has begun."""
    year = int(found["year"] or found["bare"])
    year += 2000 if 2000 + year <= now.year else 1900
    return f"{found['before'] or found['in']}{year}"


def _years_back(found: re.Match[str]) -> int:
    said = found["year"].casefold()
    if "last year" in said:
        return 1
    if "this year" in said:
        return 0
    if "before last" in said:
        return 2
    counted = re.match(COUNT, said)
    return number(counted[1] or counted[2]) if counted else 0
