"""How likely it is that what was asked for is stored: a logistic function of what recall found.

    p = 1 / (1 + exp(-(bias + w_cosine · cosine + w_overlap · overlap)))

The numbers belong to a space of vectors: `python -m benchmarks.kit.fit_likelihood` fits them and
writes them into the tuner's file. Those below are for recall by words alone, which no tuner knows.
How far the best hit stands above the next ones is no evidence: that says more about how many
similar records there are than about the question (experiment 11 of docs/experiments.md).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Protocol, runtime_checkable

from lmort_memory.types import Hit

__all__ = ["DEPTH", "WORDS_ONLY", "Calibration", "Described", "Evidence", "evidence", "overlap"]

DEPTH = 10  # hits that the evidence is drawn from
_SHORTEST = 3  # letters; shorter words say little about what is asked for
_STEM = (
    5  # letters that a word and its inflections share, in most languages that inflect at the end
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a recall's hits say about whether the answer is among what is stored.

    Attributes:
        cosine: Of the question and the nearest record; 0 without vectors.
        overlap: Share of the question's letters that stand in words of one hit, the best of them.
    """

    cosine: float
    overlap: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic function of `Evidence`."""

    bias: float
    cosine: float
    overlap: float

    def likelihood(self, found: Evidence) -> float:
        """Return the estimate, from 0 to 1."""
        z = self.bias + self.cosine * found.cosine + self.overlap * found.overlap
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, z))))

    def to_text(self) -> str:
        """Return the numbers as they stand in a tuner's file."""
        return json.dumps({name: round(value, 4) for name, value in asdict(self).items()})

    @classmethod
    def from_text(cls, text: str) -> Calibration:
        """Read them back.

        Raises:
            ValueError: these are not the numbers of this version.
        """
        values = json.loads(text)
        names = [field.name for field in fields(cls)]
        if not isinstance(values, dict) or sorted(values) != sorted(names):
            raise ValueError(f"a calibration has {', '.join(names)}; found {text[:80]!r}")
        return cls(**{name: float(values[name]) for name in names})


@runtime_checkable
class Described(Protocol):
    """An encoder whose tuner has notes about itself, a calibration among them."""

    @property
    def notes(self) -> Mapping[str, str]:
        """The notes in the tuner's file, by key."""


# 840 questions of the three sources of benchmarks/kit/fit_likelihood.py, half of them with their
# passage stored, recalled by words alone: right at 0.5 for 0.804, Brier score 0.136.
WORDS_ONLY = Calibration(bias=-3.8981, cosine=0.0, overlap=6.7742)


def evidence(query: str, hits: Sequence[Hit]) -> Evidence:
    """Draw the evidence from hits that were recalled with `explain`."""
    return Evidence(
        cosine=max((hit.scores.dense for hit in hits if hit.scores.dense is not None), default=0.0),
        overlap=max((overlap(query, hit.record.text) for hit in hits), default=0.0),
    )


def overlap(query: str, text: str) -> float:
    """Return the share of a question's letters that stand in words of a text, from 0 to 1."""
    asked = _stems(query)
    found = asked & _stems(text)
    return sum(map(len, found)) / sum(map(len, asked)) if asked else 0.0


def _stems(text: str) -> set[str]:
    words = (word.casefold() for word in _WORD.findall(text))
    return {word[:_STEM] for word in words if len(word) >= _SHORTEST}
