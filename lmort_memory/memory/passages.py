"""The part of a long text where most of a question's words stand close together."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Final

from lmort_memory.memory.overlap import BEGINS, WORD
from lmort_memory.store.words.tokenizer import RUN

__all__ = ["best_start", "passage"]

_LONGEST: Final = 600  # characters
_MOST: Final = 32  # words; a question may be a page itself
_SHORTEST: Final = 4  # letters of a stem
_SPACE = re.compile(r"\s")


def passage(text: str, query: str) -> tuple[int, int] | None:
    """Return the characters [start, end) of a long text that are closest to a question in words.

    Returns:
        At most 600 characters, cut at words; None for a text that is no longer than that, or that
        shares no word with the question.
    """
    start = _best(text, query, _LONGEST) if len(text) > _LONGEST else None
    if start is None:
        return None
    if start and (space := _SPACE.search(text, start, start + _LONGEST // 6)):
        start = space.end()
    end = min(start + _LONGEST, len(text))
    if end < len(text):
        spaces = [one.start() for one in _SPACE.finditer(text, start + 1, end)]
        end = spaces[-1] if spaces else end
    return start, end


def best_start(text: str, query: str, width: int) -> int:
    """Return where the `width` characters of a text begin that hold most of a question's words.

    Words weigh by how rare they are in the text; endings of up to two letters may differ. 0 if no
    word is found.
    """
    return _best(text, query, width) or 0


def _best(text: str, query: str, width: int) -> int | None:
    pattern = _pattern(query)
    if pattern is None:
        return None
    found = [(one.start(), one[0].casefold()) for one in pattern.finditer(text)]
    if not found:
        return None
    rarity = {
        stem: math.log1p(len(text) / (width * count))
        for stem, count in Counter(stem for _, stem in found).items()
    }
    inside: Counter[str] = Counter()  # the stems in a stretch that moves over the text
    best, start, end = 0.0, 0, 0
    for at, stem in found:
        while end < len(found) and found[end][0] < at + width * 2 // 3:
            inside[found[end][1]] += 1
            end += 1
        weight = sum(rarity[one] for one, count in inside.items() if count)
        if weight > best:
            best, start = weight, at
        inside[stem] -= 1
    return max(0, min(start - width // 6, len(text) - width))


def _pattern(query: str) -> re.Pattern[str] | None:
    """Return a pattern for the stems of a question's words.

    In scripts without spaces it is for pairs of characters.
    """
    runs = RUN.findall(query)
    pairs = {run[i : i + 2] for run in runs for i in range(len(run) - 1)}
    said = WORD.findall(RUN.sub(" ", query))
    stems = {word[: max(_SHORTEST, len(word) - 2)].casefold() for word in said}
    # Longest first, so that of two stems of a word the more telling one counts.
    longest = sorted(stems, key=lambda stem: (-len(stem), stem))[:_MOST]
    parts = [BEGINS + re.escape(stem) for stem in longest] + sorted(pairs)[:_MOST]
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None
