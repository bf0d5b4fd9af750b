"""What a question and a text share in words, each weighed by how rare it is in English texts."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Final

from lmort_memory.store.words.tokenizer import fold

__all__ = ["RAREST", "all_stems", "overlap", "stems", "weight"]

RAREST: Final = 6.5  # of a stem that the table of common words does not hold
_SHORTEST = 3  # letters; shorter words say little about what is asked for
_WORD = re.compile(r"\w+")
# Letters that a word and its inflections share, in most languages that inflect at the end.
_STEM = 5
# Words that stand in most English texts and tell none apart.
_STOP = frozenset(
    """a an and are as at be been by d did do does for from had has have he her his how i if in into
    is it its ll m me my no not of on or our re s she so t that the their them then there they this
    to us ve was we were what when where which who why will with would you your""".split()  # noqa: SIM905
)


def overlap(query: str, text: str) -> float:
    """Return the share of a question's letters that stand in words of a text, from 0 to 1."""
    asked = _long_stems(query)
    found = asked & _long_stems(text)
    return sum(map(len, found)) / sum(map(len, asked)) if asked else 0.0


def _long_stems(text: str) -> set[str]:
    words = (word.casefold() for word in _WORD.findall(text))
    return {word[:_STEM] for word in words if len(word) >= _SHORTEST}


def all_stems(text: str) -> set[str]:
    """Return the beginnings of all words of a text."""
    return {word[:_STEM] for word in _WORD.findall(fold(text))}


def stems(text: str) -> frozenset[str]:
    """Return the beginnings of the words of a text that tell it from others."""
    return frozenset(word[:_STEM] for word in _WORD.findall(fold(text)) if word not in _STOP)


def weight(shared: Collection[str]) -> float:
    """Return what it says that two texts share these stems: a sum of logarithms."""
    common = _common()
    return sum(common.get(stem, RAREST) for stem in shared)


@cache
def _common() -> dict[str, float]:
    from lmort_memory.memory.common import COMMON

    return {stem: level for level, row in COMMON.items() for stem in row.split()}
