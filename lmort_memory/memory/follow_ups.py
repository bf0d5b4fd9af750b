"""Questions that refer to an earlier turn: "Where does Ada work?", then "When is her birthday?".

By itself such a question is near to everybody's birthday or to nothing. It is asked again with the
words of the question that it refers to, then with those of the answer too: in "Who is my boss?",
"Priya.", "When is she back?" only the answer says who she is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from lmort_memory.memory.evidence import is_chatter
from lmort_memory.memory.kinds import is_pleasantry, is_question, is_shouted, sentences, words
from lmort_memory.memory.languages.referring import PRONOUN
from lmort_memory.memory.overlap import WORD, stems, word_stem

__all__ = ["Earlier", "in_full", "refers_back"]

# "it" and "there" that refer to nothing, or to what follows.
_IDLE: Final = re.compile(
    r"\b(?:what (?:time|day|date) is it|is it (?:raining|snowing|cold|hot|warm|late|true|possible)"
    r"|(?:is|was) it (?:me|i|my|you|that|who|the)\b|is that (?:so|right|true)"
    r"|how (?:long|much) does it take|it costs? to|how(?:'s| is) it going"
    r"|(?:is|was|does|has|wo)n.?t it"
    r"|(?:is|are|was|were) there)\b",
    re.IGNORECASE,
)
_AND: Final = re.compile(r"^(?:(?:and|so|but|ok(?:ay)?),? )+", re.IGNORECASE)
# Whom a pronoun behind it means: "my son", "the little lad", or a name inside a sentence.
_NAMED_BEFORE: Final = re.compile(
    r"\b(?:my|our|the|an?|this|that|these|those|mum|mom|dad)\b|(?<=\s)(?:who|which)\b",
    re.IGNORECASE,
)
# Questions that leave out what they are about: "what time?", "and the booking ref?".
_FRAGMENT: Final = re.compile(
    r"(?:and |so |but )*(?:(?:at |on |in )?(?:what|which) (?:time|day|date|year|month|colou?r|size"
    r"|number|one|street|address|city|town)|when|where|who with|how (?:much|many|long|old|big|far"
    r"|often)|(?:since|until|till|from) when)\W*$"
    r"|and (?:what about |how about )?(?:the|my|our)(?: \w+){1,3}\W*\?\W*$",
    re.IGNORECASE,
)
_LONGEST: Final = 12  # words of a question that needs another turn
_MOST: Final = 8  # words taken from an earlier turn
_BACK: Final = 6  # turns


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier turn of a person, or its end, and how the reply to it begins."""

    said: str
    reply: str = ""


def refers_back(text: str) -> bool:
    """Return whether a text is a short question about what was said before.

    It has a pronoun for it ("when is her birthday?"), or leaves it out ("and what time?").
    """
    if len(words(text)) > _LONGEST:
        return False
    if is_shouted(text):
        text = text.lower()
    if _FRAGMENT.match(text.strip()):
        return True
    asking = _IDLE.sub(" ", " ".join(one for one in sentences(text) if is_question(one)))
    asking = _AND.sub("", asking)
    pronoun = next((one for one in PRONOUN.finditer(asking) if not _is_polite(one)), None)
    return pronoun is not None and not _names(asking[: pronoun.start()])


def _is_polite(pronoun: re.Match[str]) -> bool:
    """Return whether a pronoun has a capital inside a sentence: "Ihre Adresse", or "IT"."""
    return pronoun.start() > 0 and pronoun[0][0].isupper()


def _names(before: str) -> bool:
    """Return whether the beginning of a question says whom a pronoun behind it means."""
    later = WORD.findall(before)[1:]
    capital = any(word[0].isupper() and len(word) > 1 for word in later)
    return capital or bool(_NAMED_BEFORE.search(before))


def in_full(text: str, earlier: Iterable[Earlier]) -> Iterator[str]:
    """Yield a question with the words of what it refers to, in brackets.

    First with those of the question that it follows, then with those of the answer too.

    Args:
        text: The question; nothing is yielded if it refers to nothing.
        earlier: What the same person said before, the latest first. Of the last few, the latest
            question counts, else the latest statement; thanks and what refers back itself do not.
    """
    if not refers_back(text):
        return
    said = [one for one in islice(earlier, _BACK) if _is_topic(one.said)]
    asked = [one for one in said if is_question(one.said)]
    for one in asked or said:
        if topic := _topic(one.said):
            yield f"{text} ({topic})"
            if more := _characteristic(one.reply, but=topic)[:_MOST]:
                yield f"{text} ({topic} {' '.join(more)})"
            return


def _is_topic(text: str) -> bool:
    return not (is_chatter(text) or is_pleasantry(text) or refers_back(text))


def _topic(text: str) -> str:
    """Return the characteristic words of a text's last question, or of its last sentence."""
    said = sentences(text)
    asking = [one for one in said if is_question(one)]
    last = (asking or said or ("",))[-1]
    return " ".join(_characteristic(last)[-_MOST:])


def _characteristic(text: str, *, but: str = "") -> list[str]:
    """Return the characteristic words of a text in order, without those of another."""
    known = stems(text) - stems(but)
    return [word for word in WORD.findall(text) if word_stem(word) in known]
