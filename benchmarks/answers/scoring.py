"""Marks for a reply: contains an accepted answer, token F1, and whether it abstains."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_ABSTAINS = re.compile(
    r"(do(es)?n'?t|do(es)? not|did(n'?t| not)|can'?t|cannot|could ?n'?t|unable to)"
    r" (\w+ )?(know|have|recall|remember|see|find|provide|specify|mention|access|contain|tell|say)"
    r"|\bno (\w+ )?(information|mention|record|details?|data|notes?|memory|idea)\b"
    r"|\bnot (sure|mentioned|provided|specified|stated|available|given|known|recorded|certain)\b"
    r"|\bunknown\b|\bno specific\b|\b(without|need) more (information|context|details)\b"
    r"|\bplease provide\b|\bcould you (please )?(provide|tell|give)\b",
    re.IGNORECASE,
)
_ARTICLES = frozenset({"a", "an", "the"})


@dataclass(frozen=True, slots=True)
class Mark:
    """How good a reply is.

    Attributes:
        contains: An accepted answer stands in it, and it does not abstain.
        f1: Token F1 with the accepted answer that it fits best, from 0 to 1.
        abstains: It says that it does not know.
    """

    contains: bool
    f1: float
    abstains: bool


def mark(reply: str, answers: Sequence[str]) -> Mark:
    """Mark a reply; without accepted answers only abstaining counts."""
    abstains = bool(_ABSTAINS.search(reply.replace("\u2019", "'")))
    said = words(reply)
    contains = any(_within(words(answer), said) for answer in answers)
    best = max((f1(said, words(answer)) for answer in answers), default=0.0)
    return Mark(contains and not abstains, round(best, 4), abstains)


def words(text: str) -> list[str]:
    """Return words without case, accents, punctuation and articles; "1,260" is "1260"."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", plain)
    return [word for word in re.findall(r"[^\W_]+", plain) if word not in _ARTICLES]


def f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    """Return the token F1 of SQuAD."""
    common = (Counter(said) & Counter(wanted)).total()
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def _within(wanted: Sequence[str], said: Sequence[str]) -> bool:
    n = len(wanted)
    return n > 0 and any(said[i : i + n] == wanted for i in range(len(said) - n + 1))
