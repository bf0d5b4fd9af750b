"""Questions that refer to an earlier turn: "Where does Ada work?", then "When is her birthday?".

By itself such a question is near to everybody's birthday or to nothing. It is asked once more with
the words of the turn that it refers to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from lmort_memory.memory.kinds import is_question, sentences, words
from lmort_memory.memory.overlap import WORD, stems, word_stem

__all__ = ["in_full", "refers_back"]

_REFERRING: Final = (
    "he she they him her them his hers its their theirs it there"  # English
    " sie ihn ihm ihr ihre ihren ihrem ihrer sein seine seinen seinem seiner dort"  # German
    " il elle lui leur leurs ils elles ses"  # French
    " él ella ellos ellas su sus"  # Spanish
    " lui lei loro suo sua suoi"  # Italian
    " ele ela eles elas dele seu sua"  # Portuguese
    " hij zij haar zijn"  # Dutch
)
_PRONOUN: Final = re.compile(
    rf"\b(?:{'|'.join(_REFERRING.split())})\b|\bthat(?=\W*$)", re.IGNORECASE
)
# "it" and "there" that refer to nothing, or to what follows.
_IDLE: Final = re.compile(
    r"\b(?:what (?:time|day|date) is it|is it (?:raining|snowing|cold|hot|warm|late|true|possible)"
    r"|(?:is|was) it (?:me|i|my|you|that|who|the)\b|is that (?:so|right|true)"
    r"|how (?:long|much) does it take|how(?:'s| is) it going|(?:is|was|does|has|wo)n.?t it"
    r"|(?:is|are|was|were) there)\b",
    re.IGNORECASE,
)
# Whom a pronoun behind it means: "my son", "the little lad", or a name inside a sentence.
_NAMED_BEFORE: Final = re.compile(
    r"\b(?:my|our|the|an?|this|that|these|those|who|which|mum|mom|dad)\b|(?<=\s)(?!I\b)[A-Z]\w"
)
_LONGEST: Final = 12  # words of a question that needs another turn
_MOST: Final = 8  # words taken from that turn


def refers_back(text: str) -> bool:
    """Return whether a text is a short question with a pronoun for what was said before."""
    if len(words(text)) > _LONGEST:
        return False
    asking = _IDLE.sub(" ", " ".join(one for one in sentences(text) if is_question(one)))
    pronoun = _PRONOUN.search(asking)
    return pronoun is not None and not _NAMED_BEFORE.search(asking, 0, pronoun.start())


def in_full(text: str, earlier: Iterable[str]) -> str | None:
    """Return a question with the words of the turn that it refers to, in brackets.

    Args:
        text: The question.
        earlier: What the same person said before, the latest first. Turns that refer back
            themselves are passed over.

    Returns:
        None if the question refers to nothing, or nothing was said.
    """
    if not refers_back(text):
        return None
    topic = next((topic for one in earlier if not refers_back(one) and (topic := _topic(one))), "")
    return f"{text} ({topic})" if topic else None


def _topic(text: str) -> str:
    """Return the characteristic words of a text's last question, or of its last sentence."""
    said = sentences(text)
    asking = [one for one in said if is_question(one)]
    last = (asking or said or [""])[-1]
    known = stems(last)
    return " ".join([word for word in WORD.findall(last) if word_stem(word) in known][-_MOST:])
