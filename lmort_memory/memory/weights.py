"""How much meaning, tokens and words count for one question.

Words and token comparisons find texts that answer in the question's own terms, and mislead when the
two share none. So their weight depends on `coverage`, the share of the question's letters found in
the best record by words. The weights are a softmax over the available parts:

    dense : words : tokens = 1 : exp(a + b · coverage) : exp(c + d · coverage)

A sum of scaled scores, not of ranks, which throw away by how much something is better (Bruch, Gai,
Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval"; experiment 6).

The four numbers were fitted on 900 questions of nine sources of training pairs, listwise, and
judged on the development sets (docs/experiments.md, experiment 19).

People ask a chat about themselves in other words than they told it in: "What do I do for a living?"
So in talk, words count for less, unless they cover the question. Its two numbers were chosen on the
fitting half of the first-hand set (experiment 36). A text longer than people's questions says "I"
somewhere, whatever it is about (experiment 37).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from lmort_memory.memory.kinds import of_oneself, words

__all__ = ["USUAL_COVERAGE", "Weights", "talk_of", "weights_of"]

WORDS: Final = (-0.30, 0.60)  # a and b
TOKENS: Final = (-1.20, 2.16)  # c and d
WORDS_OF_TALK: Final = (-2.00, 2.20)  # a and b in talk
USUAL_COVERAGE: Final = 0.55  # mean of the training questions; used if words are not searched
_LONGEST_QUESTION: Final = 40  # words


@dataclass(frozen=True, slots=True)
class Weights:
    """The weight of each part in a score; they sum to 1."""

    dense: float
    tokens: float
    words: float


def weights_of(
    *, dense: bool, tokens: bool, words: bool, coverage: float, talk: float = 0.0
) -> Weights:
    """Return the weights of the available parts.

    Args:
        dense: Whether vectors were searched.
        tokens: Whether tokens were compared.
        words: Whether words were searched.
        coverage: From 0 to 1.
        talk: How far this is about talk, from 0 (documents) to 1 (chats).
    """
    a, b = ((1 - talk) * x + talk * y for x, y in zip(WORDS, WORDS_OF_TALK, strict=True))
    parts = (
        float(dense),
        tokens * math.exp(TOKENS[0] + TOKENS[1] * coverage),
        words * math.exp(a + b * coverage),
    )
    total = sum(parts)
    return Weights(*(part / total for part in parts))


def talk_of(question: str, *, turns: float) -> float:
    """Return how far this is about talk, from 0 (documents) to 1 (chats).

    Args:
        question: What is asked; a short one about oneself is about talk.
        turns: Share of turns of a chat among the best records.
    """
    if of_oneself(question) and len(words(question)) <= _LONGEST_QUESTION:
        return 1.0
    return turns
