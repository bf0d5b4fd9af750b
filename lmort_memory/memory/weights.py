"""How much meaning, tokens and words count for one question.

Words, and tokens compared one by one, find a text that answers in the question's own terms, and are
misled where the two share none. So they count by `coverage`, the share of the question's letters
that stand in the best record by words. The weights are a softmax over the parts that there are:

    dense : words : tokens = 1 : exp(a + b · coverage) : exp(c + d · coverage)

A sum of scaled scores, not of ranks, which throw away by how much something is better (Bruch, Gai,
Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval"; experiment 6).

The four numbers were fitted on 900 questions of nine sources of training pairs, listwise, and
judged on the development sets (docs/experiments.md, experiment 19).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["USUAL_COVERAGE", "Weights", "weights_of"]

WORDS: Final = (-0.30, 0.60)  # a and b
TOKENS: Final = (-1.20, 2.16)  # c and d
USUAL_COVERAGE: Final = 0.55  # of the training questions; where words are not asked for


@dataclass(frozen=True, slots=True)
class Weights:
    """What each part counts in a score; they sum to 1."""

    dense: float
    tokens: float
    words: float


def weights_of(*, dense: bool, tokens: bool, words: bool, coverage: float) -> Weights:
    """Return the weights of the parts that there are.

    Args:
        dense: Whether cosines were asked for.
        tokens: Whether tokens were compared.
        words: Whether words were asked for.
        coverage: From 0 to 1.
    """
    parts = (
        float(dense),
        tokens * math.exp(TOKENS[0] + TOKENS[1] * coverage),
        words * math.exp(WORDS[0] + WORDS[1] * coverage),
    )
    total = sum(parts)
    return Weights(*(part / total for part in parts))
