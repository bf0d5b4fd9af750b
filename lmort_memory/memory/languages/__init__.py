"""Words of many languages, as plain tables: what differs from language to language and is needed.

asking.py    how a question without its mark is known
keeping.py   how somebody asks to keep something, in the form of a question
courtesy.py  greetings, thanks, agreement and farewells
oneself.py   words of the first person
referring.py pronouns for what was said before
unknown.py   replies that say that nothing is known
usual.py     words so usual that sharing them means nothing

A language that is missing here is judged by its punctuation, and its words are all taken as rare.
Tables hold what somebody who speaks the language writes in a hurry, too; they need not be complete.
"""

from __future__ import annotations

import re
from functools import cache


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a long pattern when it is first used: many commands start and judge no text."""
    return re.compile(pattern)
