"""Whether a question means a coming time: "Where do we go in May?", "What is due on Friday?"."""

from __future__ import annotations

import re

from lmort_memory.memory.times.calendar_days import MONTHS, SEASONS, WEEKDAYS
from lmort_memory.memory.times.feasts import FEAST

__all__ = ["looks_ahead"]

# Names that every week or year has, unless a word says which one is meant.
_EVERY_YEAR = re.compile(
    rf"^(?!.*(?:\d{{4}}|\b(?:last|past|ago|since)\b))"
    rf".*(?:\b(?:{'|'.join((*MONTHS, *WEEKDAYS, *SEASONS))}|{FEAST}|weekend)\b|\d(?:st|nd|rd|th)\b)"
)
_AHEAD = re.compile(
    r"\b(?:will|shall|won['\u2019]t|\w+['\u2019]ll|going|coming|plan|plans|upcoming"
    r"|(?:am|are|is) \w+ \w+ing)\b"
)
_PRESENT = re.compile(
    r"\b(?:do(?! you (?:still )?(?:remember|know|recall|have))|don['\u2019]t|does|doesn['\u2019]t"
    r"|is|isn['\u2019]t|are|aren['\u2019]t|am"
    r"|(?:what|who|where|when|how|why|it|there|that|he|she)['\u2019]s"
    r"|(?:i['\u2019]m|(?:we|you|they)['\u2019]re)|should|must"
    r"|can(?! you)|(?:has|have)(?: \w+)? (?:an?|to|the|got|planned|scheduled|booked)"
    r"|want|wants|need|needs|due"
    r"|(?:what|who) (?!was)\w+s)\b"
)
# What stands before a time that a thing is from: "the notes from Monday".
_FROM = re.compile(r"\b(?:from|of)(?: the)?\s*$")
_PAST_VERBS = (
    "was|were|wasn['\u2019]t|weren['\u2019]t|did|didn['\u2019]t|had|hadn['\u2019]t|been|went|said"
    "|told|happened|last|ago|yesterday|met|saw|ate|bought|got|gave|made|took|wrote|sent|spoke"
    "|thought|found|lost|left|came|ran|began|broke|drank|drove|felt|flew|forgot|heard|kept|knew"
    "|paid|rang|sang|slept|sold|spent|stood|swam|taught|won|wore|built|caught|chose|fell|fought"
    "|held|led|lent|meant|rode|rose|stole|threw|understood|woke|taken|written|given|seen|eaten"
    "|remember|recall|forget"
)
_BACK = re.compile(
    rf"\b(?:{_PAST_VERBS}|(?:has|have) (?:\w+ ){{0,3}}?(?!planned|scheduled|booked|need|got)"
    r"(?:\w+ed|\w+en|done|gone|read|put|cost|become|come|run|grown|known|drunk|sung)"
    r"|(?:i|we|you|he|she|they|it|that|who|which)(?: \w+)? (?!need\b|feed\b|indeed\b)\w+ed)\b"
)
# "For Christmas" is a time only of what was: "presents for Christmas", "wants for Christmas".
_WISHED = re.compile(
    r"\b(?:want|wish|hope|like|ask|plan|order|need|sav(?:e|ing))(?:e?[ds]|ing)?\b|\bwould\b"
)
# "Is planned" and "was going to" are of their own kind: the first looks ahead.
_PLANNED = re.compile(
    r"(?:\b(?:is|are|am)|['\u2019](?:s|re|m))(?: \w+)? \w+(?:ed|en)\b"
    r"|\b(?:have|has)(?: \w+)? (?:got|planned|scheduled|booked)\b"
)


def looks_ahead(lowered: str, before: str, words: str) -> bool:
    """Return whether a month or day without a year is the coming one.

    Args:
        lowered: The question, in lower case.
        before: What stands in it before the words that name the time.
        words: These words.
    """
    if words.startswith("for ") and (_WISHED.search(lowered) or not _BACK.search(lowered)):
        return True
    if _EVERY_YEAR.search(words) is None or _BACK.search(_PLANNED.sub("is", lowered)):
        return False
    if _AHEAD.search(lowered):
        return True
    from_then = words.startswith(("from ", "of ")) or _FROM.search(before) is not None
    return not from_then and _PRESENT.search(lowered) is not None
