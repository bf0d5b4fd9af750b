"""Texts for timing: turns, notes and passages of mixed length, the same on every machine."""

from __future__ import annotations

import random

_SENTENCES = (
    "My sister keeps bees on the roof of the old harbour office.",
    "We took the early ferry and had coffee on deck.",
    "Could you remind me to call the dentist on Thursday?",
    "The report says that the pump failed twice in March, both times after heavy rain.",
    "I never liked that film.",
    "Put the kettle on, will you?",
    "The recipe needs two eggs, a little flour, and more patience than I have.",
    "Her train leaves from platform nine at a quarter past six in the evening.",
    "That is fine with me.",
    "In the second chapter the author compares the three methods on the same data.",
)


def mixed_texts(n: int = 300, seed: int = 0) -> list[str]:
    """Return texts of one to nine sentences, most of them short, 39 tokens on average or so."""
    rng = random.Random(seed)
    return [
        " ".join(rng.choices(_SENTENCES, k=min(9, 1 + int(rng.expovariate(0.6))))) for _ in range(n)
    ]
