"""Word overlap of a question and a text, each word weighed by its rarity in English.

Of other languages only the usual words are known; all others count as rare.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Final

from lmort_memory.memory.caching import cached
from lmort_memory.memory.languages.usual import is_usual_pair, usual
from lmort_memory.store.words.tokenizer import RUN, STOP, fold

__all__ = ["BEGINS", "RAREST", "WORD", "all_stems", "overlap", "stems", "weight", "word_stem"]

RAREST: Final = 6.5  # weight of a stem missing from the table of common words
_SHORTEST = 3  # letters; shorter words say little about the topic
# A word with its vowel signs and accents, which `\w` would split words at in Hindi or Arabic. Their
# question marks and full stops, which lie among these signs, are no part of it.
_LETTERS = (
    r"\w\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06ed"
    r"\u0900-\u0963\u0966-\u0dff"
)
WORD = re.compile(rf"\w[{_LETTERS}]*")
BEGINS = rf"(?<![{_LETTERS}])"  # before a word: `\b` is also inside words that have such signs
_PAIR = 2  # characters; a word of a script without spaces, as in the index
# Length of the stem that a word and its inflections share, in most languages with suffixes.
_STEM = 5
# Words that most English texts contain, so they distinguish none.
_STOP = STOP | frozenset("d ll m re s t us ve".split())  # noqa: SIM905


def overlap(query: str, text: str) -> float:
    """Return the share of a question's letters in words that a text contains, 0 to 1."""
    asked = _long_stems(query)
    found = asked & _long_stems(text)
    return sum(map(len, found)) / sum(map(len, asked)) if asked else 0.0


def _long_stems(text: str) -> set[str]:
    runs = RUN.findall(text)
    pairs = {run[i : i + _PAIR] for run in runs for i in range(len(run) - 1)}
    words = (word.casefold() for word in WORD.findall(RUN.sub(" ", text) if runs else text))
    return pairs | {word[:_STEM] for word in words if len(word) >= _SHORTEST}


def all_stems(text: str) -> set[str]:
    """Return the stems of all words of a text."""
    return {word[:_STEM] for word in WORD.findall(fold(text))}


@cached
def stems(text: str) -> frozenset[str]:
    """Return the stems of a text's characteristic words."""
    said = WORD.findall(fold(text))
    dropped = usual(said)
    if RUN.search(text):
        said = [word for word in said if not (RUN.match(word) and is_usual_pair(word))]
    return frozenset(word[:_STEM] for word in said if word not in _STOP and word not in dropped)


def word_stem(word: str) -> str:
    """Return the stem of one word."""
    return fold(word)[:_STEM]


def weight(shared: Collection[str]) -> float:
    """Return the weight of sharing these stems: a sum of logarithms."""
    common = _common()
    return sum(common.get(stem, RAREST) for stem in shared)


@cache
def _common() -> dict[str, float]:
    from lmort_memory.memory.common import COMMON

    return {stem: level for level, row in COMMON.items() for stem in row.split()}
