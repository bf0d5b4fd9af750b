# ruff: noqa: SIM905 - a list of words
"""Two sentences that say the same of two: "My son Leo goes to …", "My son Max goes to …"."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Final

__all__ = ["tell_of_others"]

_ONE_SENTENCE: Final = 25  # words; longer texts that differ in two places alone are the same text
_VERBS: Final = frozenset(
    "is are was were has have had lives live lived works work worked goes go went eats eat likes"
    " like loves love plays play speaks speak drives drive starts start opens open closes costs"
    " cost takes take wants want needs need moved studies study runs run teaches teach"
    " called".split()
)


def tell_of_others(one: str, other: str) -> bool:
    """Return whether two texts say the same of two people or things.

    They differ in whom or what they tell of, and after the same verb in what they tell; a new fact
    about the same thing differs in that alone.
    """
    words, others = (text.casefold().split() for text in (one, other))
    if max(len(words), len(others)) > _ONE_SENTENCE:
        return False
    pair = SequenceMatcher(None, words, others, autojunk=False)
    changed = [part for part in pair.get_opcodes() if part[0] != "equal"]
    replaced = all(kind == "replace" for kind, *_ in changed)
    if len(changed) < 2 or not replaced or pair.ratio() < 0.5:
        return False
    (_, _, start, *_), (_, stop, *_) = changed[:2]
    return not _VERBS.isdisjoint(words[start:stop])
