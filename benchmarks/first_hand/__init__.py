"""The first-hand set: what invented people tell an assistant, and what they ask later on."""

from benchmarks.first_hand.people import (
    ABSENT,
    HALVES,
    KINDS,
    Half,
    Person,
    Question,
    Utterance,
    load,
)

__all__ = ["ABSENT", "HALVES", "KINDS", "Half", "Person", "Question", "Utterance", "load"]
