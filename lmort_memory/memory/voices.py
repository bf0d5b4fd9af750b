"""Who says what: turns that are likelier than others to answer a question.

"What did Anna say about …?" is mostly answered by Anna, "when is my …?" by the user, "what did you
recommend?" by the assistant. A turn that ends by asking leaves the answer to the next, and a longer
turn says more than "Thanks, Mel!". A ranking by meaning and words sees little of this: a speaker's
name, for example, is in every turn, and so weighs nothing. So a turn gets a share of the best score
added or taken away. Documents keep theirs, unless the question is about the user, whose they are.

The constants were chosen on the fitting half of the first-hand set (docs/experiments.md, experiment
28); from half to twice as much does nearly as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.kinds import ends_asking, of_oneself, of_the_assistant
from lmort_memory.memory.overlap import stems, weight, word_stem
from lmort_memory.store.words.tokenizer import RUN

if TYPE_CHECKING:
    from lmort_memory.types import Record

__all__ = ["HEARD", "Said", "shares"]

HEARD: Final = 60  # best records to look at: no share lifts those below among the first ten
VOICE: Final = 0.3  # share of the best score that is added if the right one says it
ASKING: Final = 0.1  # and taken away from a turn that ends by asking
SUBSTANCE: Final = 0.1  # added for each e-fold of a turn's characteristic words
_USUAL: Final = math.log(9)  # one of eight words gets nothing added
_ENOUGH: Final = 3.0  # and more than 19 add nothing
_ENDS: Final = 1000  # characters at either end of a text that are looked at
_UNSPOKEN: Final = ("note", "system")  # roles of texts that nobody says to anyone
_ROLES: Final = ("user", "assistant", "message", "tool")  # that are nobody's name
_OWN: Final = ("user", "note")  # roles of what is the user's
_PREFIX = re.compile(r"(?P<name>[^\W\d_][^\s:]*(?:[ ][^\s:]+){0,2}):\s")  # at most three words
_WORD = re.compile(r"[^\W_]+")
_RARE: Final = 6.0  # weight of a word that is likelier a name, even in lower case, than a word


@dataclass(frozen=True, slots=True)
class Said:
    """What the text of a record shows about its speaker.

    Attributes:
        role: The record's role.
        speaker: Name of who says it; None if it has none.
        asks: Whether it is a turn that ends by asking.
        substance: How much more than usual it says, in e-folds of words; 0 if it is no turn.
    """

    role: str
    speaker: str | None = None
    asks: bool = False
    substance: float = 0.0

    @classmethod
    def of(cls, text: str, role: str, author: object = None) -> Said:
        """Read a text.

        Args:
            text: What is said. It may open with the speaker's name, as in "Anna: …".
            role: A custom role is the name of the speaker.
            author: As in the metadata of imported messages; anything but a string is ignored.
        """
        if role in _UNSPOKEN:
            return cls(role)
        prefix = _PREFIX.match(text)
        named = prefix["name"] if prefix else None
        speaker = author if isinstance(author, str) else named if role in _ROLES else role
        start = prefix.end() if prefix else 0
        characteristic = stems(text[start : start + _ENDS])
        substance = min(_ENOUGH, math.log(1 + len(characteristic))) - _USUAL
        return cls(role, speaker, ends_asking(text[-_ENDS:]), substance)

    @classmethod
    def by(cls, record: Record) -> Said:
        """Read a record."""
        return cls.of(record.text, record.role, record.metadata.get("author"))


def shares(asked: str, said: Mapping[str, Said], *, lower_asking: bool = True) -> dict[str, float]:
    """Return how much of the best score to add to each record.

    Args:
        asked: The question.
        said: The best records by id.
        lower_asking: Whether turns that ask are lowered; not if they are what is asked for.
    """
    names = _named(asked, {one.speaker for one in said.values() if one.speaker})
    roles = ("assistant",) if of_the_assistant(asked) else _OWN if of_oneself(asked) else ()
    return {
        id_: VOICE * (one.speaker in names or one.role in roles)
        - ASKING * (one.asks and lower_asking)
        + SUBSTANCE * one.substance
        for id_, one in said.items()
    }


def _named(asked: str, names: Iterable[str]) -> frozenset[str]:
    """Return the names that a question mentions, whole or in part.

    A word that is also common in English ("Will", "House") has to be written as a name is, with a
    capital letter that no sentence begins with.
    """
    words = _WORD.findall(asked)
    mentioned = {word.casefold() for word in words if weight((word_stem(word),)) >= _RARE}
    mentioned |= {word.casefold() for word in words[1:] if word[0].isupper()}
    return frozenset(name for name in names if _is_mentioned(name, asked, mentioned))


def _is_mentioned(name: str, asked: str, mentioned: set[str]) -> bool:
    if RUN.search(name):  # a script without spaces: words have no bounds
        return name in asked
    return not mentioned.isdisjoint(word.casefold() for word in _WORD.findall(name))
