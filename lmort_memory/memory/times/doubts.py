"""Words that look like a time and are none: "Who is June?", "Sunday roast", "1/2 a cup"."""

from __future__ import annotations

import re

from lmort_memory.memory.times.calendar_days import WEEKDAYS

__all__ = ["doubtful"]

# Words that usually are not a month, a day or a season, and months that are also names of people.
_OTHER_WORDS = re.compile(
    r"^(?:on )?(?:may|march|mar|sun|sat|wed|second|fall|june|jun|april|apr|august|aug|jan|dec)"
    r"(?: (?:last|this) year)?$"
)
_PREPOSITION = re.compile(
    r"\b(?:in|since|last|this|during|before|until|till|by|from|after|through|throughout|prior to"
    r"|up to|early|mid|late"
    r"|(?:end|start|beginning|middle|week|weekend|month|half|part|rest|most|all|days?|weeks|first"
    r"|second|third|fourth|\d(?:st|nd|rd|th)|morning|afternoon|evening|night) of)[\s-]*$"
)
_WEEKDAY = re.compile(rf"^(?:{'|'.join(WEEKDAYS)}|mon|tue|wed|thu|fri|sat|sun)$")
# A weekday without "on" or "last" is a time before nothing, or before such a word; before another
# it says what kind of thing that is: "Saturday job", "the Sunday Times".
_GOES_ON = re.compile(
    r"^(?:['\u2019]s\b|\s*(?:$|[?!,;:)\u2014-]|\.(?!\w))"
    r"|\s+(?:and|or|about|with|at|in|to|for|when|but|after|before|because|from|by|if|while|that"
    r"|who|whom|what|where|why|how|i|we|you|he|she|they|it|was|were|did|had|again|too|instead|the"
    r"|last|this|of|until|till|through|early|late|morning|afternoon|evening|night|\d))",
)
_SAYS_WHEN = re.compile(
    r"\b(?:on|since|last|this|past|until|till|before|after|by|from|between)\s+$"
)
# "Every Monday" is no Monday, and these are names: of a shop, and of days that move.
_NO_SINGLE_DAY = re.compile(
    r"\b(?:every|each|any|most|some|no|a|an|tgi|casual|black|cyber|ash|shrove|super|fat|palm"
    r"|whit|maundy|holy|remembrance|mothering|bloody|holiday"
    r"|giving|ruby|sheffield)\s+$"
)
_AT = re.compile(r"\bat\s+$")  # "at Friday's"
# "My last week at Acme"; but "about her last week" may be about her.
_OWN_LAST = re.compile(
    r"(?:\b(?:my|our|your|his|(?:at|on|in|for) her|their|its|whose)|\w['\u2019]s)\s+(?:very\s+)?$"
)
_FRACTION = re.compile(r"^(?:on )?\d{1,2}/\d{1,2}$")
_BEFORE_A_DATE = re.compile(r"(?:\b(?:on|since|before|after|until|till|by|from|of|dated))\s*$")
_MEASURE = re.compile(
    r"^[\"\u2033]|^\s*(?:-|of\b|an?\b|cups?\b|inch|in\.|tsp\b|tbsp\b|teaspoon|tablespoon|spoon|mile"
    r"|pint|pound|lb|oz\b|wrench|socket|bolt|drill|hour|full)"
)
# The last week of something is not the one before this.
_ENDING = re.compile(r"^last (?:day|week|month|year|night|weekend)$")
_OF_SOMETHING = re.compile(r"^ of\b")


def doubtful(before: str, words: str, after: str) -> bool:
    """Return whether words that could name a time probably do not.

    Args:
        before: What stands before them; all three in lower case.
        words: The words, without spaces around them.
        after: What stands after them.
    """
    alone = not before.strip() and not after.strip(" ?.!")
    if _OTHER_WORDS.match(words):
        return not (alone or after.startswith(("'s", "\u2019s")) or _PREPOSITION.search(before))
    if _FRACTION.match(words):
        dated = alone or words.startswith("on ") or _BEFORE_A_DATE.search(before)
        return not dated or _MEASURE.match(after) is not None
    if words.endswith((" before", " after")):  # "a day before my exam"
        return True
    if words.startswith("last ") and _OWN_LAST.search(before):
        return True
    if _ENDING.match(words):
        return _OF_SOMETHING.match(after) is not None
    return _no_day(before, words, after)


def _no_day(before: str, words: str, after: str) -> bool:
    """Return whether a weekday means none: "every Monday", "TGI Friday's", "Sunday roast"."""
    if not words.startswith(WEEKDAYS) and not _WEEKDAY.match(words):
        return re.match(r"\.\w", after) is not None and words.endswith(WEEKDAYS)  # "on Monday.com"
    if _NO_SINGLE_DAY.search(before) or (after.startswith(("'", "\u2019")) and _AT.search(before)):
        return True
    if not _WEEKDAY.match(words):
        return False
    if _SAYS_WHEN.search(before):
        return re.match(r"\.\w", after) is not None
    return _GOES_ON.match(after) is None
