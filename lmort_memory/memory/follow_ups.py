"""Questions that refer to an earlier turn: "Where does Ada work?", then "When is her birthday?".

By itself such a question is near to everybody's birthday or to nothing. It is asked once more with
the words of the turn that it refers to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from lmort_memory.memory.evidence import is_chatter
from lmort_memory.memory.kinds import is_pleasantry, is_question, sentences, words
from lmort_memory.memory.overlap import WORD, stems, word_stem

__all__ = ["in_full", "refers_back"]

_REFERRING: Final = (
    "he she they him her them his hers its their theirs it there"  # English
    " er sie ihn ihm ihr ihre ihren ihrem ihrer seine seinen seinem seiner dort"  # German
    " elle lui leur leurs ils elles ses"  # French
    " él ella ellos ellas su sus"  # Spanish
    " lui lei loro suo sua suoi"  # Italian
    " ele ela eles elas dele"  # Portuguese
    " hij zij haar"  # Dutch
)
_PRONOUN: Final = re.compile(
    rf"\b(?:{'|'.join(_REFERRING.split())})\b|\bthat(?=\W*$)", re.IGNORECASE
)
# "it" and "there" that refer to nothing, or to what follows.
_IDLE: Final = re.compile(
    r"\b(?:what (?:time|day|date) is it|is it (?:raining|snowing|cold|hot|warm|late|true|possible)"
    r"|(?:is|was) it (?:me|i|my|you|that|who|the)\b|is that (?:so|right|true)"
    r"|how (?:long|much) does it take|it costs? to|how(?:'s| is) it going"
    r"|(?:is|was|does|has|wo)n.?t it"
    r"|(?:is|are|was|were) there)\b",
    re.IGNORECASE,
)
# Whom a pronoun behind it means: "my son", "the little lad", or a name inside a sentence.
_NAMED_BEFORE: Final = re.compile(
    r"\b(?:my|our|the|an?|this|that|these|those|who|which|mum|mom|dad)\b|(?<=\s)(?!I\b)[A-Z]\w"
)
_LONGEST: Final = 12  # words of a question that needs another turn
_MOST: Final = 8  # words taken from that turn
_BACK: Final = 6  # turns


def refers_back(text: str) -> bool:
    """Return whether a text is a short question with a pronoun for what was said before."""
    if len(words(text)) > _LONGEST:
        return False
    asking = _IDLE.sub(" ", " ".join(one for one in sentences(text) if is_question(one)))
    pronoun = next((one for one in _PRONOUN.finditer(asking) if not _is_polite(one)), None)
    return pronoun is not None and not _NAMED_BEFORE.search(asking, 0, pronoun.start())


def _is_polite(pronoun: re.Match[str]) -> bool:
    """Return whether a pronoun has a capital inside a sentence: "Ihre Adresse", or "IT"."""
    return pronoun.start() > 0 and pronoun[0][0].isupper()


def in_full(text: str, earlier: Iterable[str]) -> str | None:
    """Return a question with the words of the turn that it refers to, in brackets.

    Args:
        text: The question.
        earlier: What the same person said before, the latest first. Of the last few, the latest
            question counts, else the latest statement; thanks and what refers back itself do not.

    Returns:
        None if the question refers to nothing, or nothing was said.
    """
    if not refers_back(text):
        return None
    said = [one for one in islice(earlier, _BACK) if _says_something(one) and not refers_back(one)]
    asked = [one for one in said if is_question(one)]
    topic = next(filter(None, map(_topic, asked or said)), "")
    return f"{text} ({topic})" if topic else None


def _says_something(text: str) -> bool:
    return not (is_chatter(text) or is_pleasantry(text))


def _topic(text: str) -> str:
    """Return the characteristic words of a text's last question, or of its last sentence."""
    said = sentences(text)
    asking = [one for one in said if is_question(one)]
    last = (asking or said or [""])[-1]
    known = stems(last)
    return " ".join([word for word in WORD.findall(last) if word_stem(word) in known][-_MOST:])
