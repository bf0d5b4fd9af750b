"""Who says what: turns that are likelier than others to answer a question.

"What did Anna say about …?" is mostly answered by Anna, "when is my …?" by the user, "what did you
recommend?" by the assistant; and a question that names nobody is mostly about what the user said. A
turn that ends by asking leaves the answer to the next, and a longer turn says more than "Thanks,
Mel!". A ranking by meaning and words sees little of this: a speaker's name, for example, is in
every turn, and so weighs nothing. So a turn is boosted by a share of the best score, or lowered.
Notes count as the user's own words, other documents as nobody's.

The constants were chosen on the fitting half of the first-hand set (docs/experiments.md,
experiments 28 and 30); near them the results hardly change.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.kinds import ends_asking, of_oneself, of_the_assistant, sentences
from lmort_memory.memory.overlap import WORD, stems, weight, word_stem
from lmort_memory.store.words.tokenizer import RUN, STOP

if TYPE_CHECKING:
    from lmort_memory.types import Record

__all__ = ["CONSIDERED", "Said", "boosts"]

CONSIDERED: Final = 60  # best records to look at; those below do not reach the first ten
SPEAKER: Final = 0.3  # share of the best score that is added if the right one says it
UNNAMED: Final = 0.2  # the same for the user's own words, if the question names nobody
ASKING: Final = 0.1  # subtracted from a turn that ends with a question
SUBSTANCE: Final = 0.1  # added for each e-fold of a turn's characteristic words
_USUAL: Final = math.log(9)  # with eight words nothing is added
_ENOUGH: Final = 3.0  # and more than 19 add no more
_ENDS: Final = 1000  # characters at either end of a text that are looked at
_TURNS: Final = ("user", "assistant", "message", "tool")  # roles that are nobody's name
_OWN: Final = ("user", "note")  # roles of what is the user's
_PREFIX = re.compile(r"(?P<name>[^\W\d_][^\s:]*(?:[ ][^\s:]+){0,2}):\s")  # at most three words
_RARE: Final = 6.0  # weight of a word that is likelier a name, even in lower case, than a word


@dataclass(frozen=True, slots=True)
class Said:
    """What a record shows about who says it.

    Attributes:
        role: The record's role.
        speaker: Name of the speaker; None if it has none, or is not a turn.
        named: Whether that name is certain. If not, it is the text's opening, as in "Anna: …",
            which may be a heading.
        asks: Whether it is a turn that ends by asking.
        substance: How much more than usual a turn says, in e-folds of words.
    """

    role: str
    speaker: str | None = None
    named: bool = False
    asks: bool = False
    substance: float = 0.0

    @classmethod
    def turn(cls, text: str, role: str, author: str | None = None) -> Said:
        """Read a turn; a role other than the usual ones is the speaker's name."""
        prefix = _PREFIX.match(text)
        start = prefix.end() if prefix else 0
        words = stems(text[start : start + _ENDS])
        known = author or (None if role in _TURNS else role)
        return cls(
            role,
            speaker=known or (prefix["name"] if prefix else None),
            named=known is not None or role == "message",
            asks=ends_asking(text[-_ENDS:]),
            substance=min(_ENOUGH, math.log(1 + len(words))) - _USUAL,
        )

    @classmethod
    def by(cls, record: Record) -> Said:
        """Read a record. One with another role, and neither session nor author, is a document."""
        author = record.metadata.get("author")
        author = author if isinstance(author, str) else None
        spoken = record.session is not None or author is not None
        if record.role in ("note", "system") or (record.role not in _TURNS and not spoken):
            return cls(record.role)
        return cls.turn(record.text, record.role, author)


def boosts(asked: str, said: Mapping[str, Said], *, lower_asking: bool = True) -> dict[str, float]:
    """Return how much of the best score to add to each record.

    Args:
        asked: The question.
        said: The best records by id.
        lower_asking: Whether turns that ask are lowered; not if they are what is asked for.
    """
    names = _mentioned(asked, _speakers(said.values()))
    shares = _by_role(asked, named=bool(names))
    return {
        id_: (SPEAKER if one.speaker in names else shares.get(one.role, 0.0))
        - ASKING * (one.asks and lower_asking)
        + SUBSTANCE * one.substance
        for id_, one in said.items()
    }


def _by_role(asked: str, *, named: bool) -> dict[str, float]:
    """Return the boost of each role that a question asks for."""
    if of_the_assistant(asked):
        return {"assistant": SPEAKER}
    if of_oneself(asked):
        return dict.fromkeys(_OWN, SPEAKER)
    return {} if named else dict.fromkeys(_OWN, UNNAMED)


def _speakers(said: Iterable[Said]) -> set[str]:
    """Return the names of speakers: an opening that may be a heading has to occur twice."""
    openings = Counter[str]()
    names = set[str]()
    for one in said:
        if one.speaker is not None:
            openings[one.speaker] += 1
            if one.named or openings[one.speaker] > 1:
                names.add(one.speaker)
    return names


def _mentioned(asked: str, names: Iterable[str]) -> frozenset[str]:
    """Return the names that a question mentions, whole or in part.

    A word that is also common in English ("Will", "House") has to be written as a name is, with a
    capital letter inside a sentence.
    """
    words = [WORD.findall(sentence) for sentence in sentences(asked)]
    mentioned = {
        word.casefold()
        for sentence in words
        for place, word in enumerate(sentence)
        if len(word) > 1 and ((place and word[0].isupper()) or _is_rare(word))
    }
    return frozenset(name for name in names if _is_mentioned(name, asked, mentioned))


def _is_rare(word: str) -> bool:
    return word.casefold() not in STOP and weight((word_stem(word),)) >= _RARE


def _is_mentioned(name: str, asked: str, mentioned: set[str]) -> bool:
    if RUN.search(name):  # a script without spaces: words have no bounds
        return name in asked
    return not mentioned.isdisjoint(word.casefold() for word in WORD.findall(name))
