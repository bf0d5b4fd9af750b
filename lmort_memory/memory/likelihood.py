"""How likely it is that a hit is the answer: a logistic function of its evidence.

    p = 1 / (1 + exp(-(bias + sum of weight · sign)))

One function serves every space of vectors, since cosines count against the space's own background,
which a tuner's file holds; another serves recall by words alone. Both were fitted on the fitting
half of the first-hand set (`python -m benchmarks.kit.fit_evidence`), where the answer is stored for
half of the questions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from lmort_memory.memory.evidence import FALLBACK, Background, Evidence
from lmort_memory.memory.evidence_weights import VECTORS, WORDS

__all__ = [
    "BY_VECTORS",
    "BY_WORDS",
    "Calibration",
    "Described",
    "background_of",
    "background_to_text",
]

_NOTE: Final = "background"  # key in the notes of a tuner's file


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic function of `Evidence`; signs that are not named have no weight."""

    bias: float
    weights: Mapping[str, float]

    def likelihood(self, found: Evidence) -> float:
        """Return the estimate, from 0 to 1."""
        z = self.bias + sum(
            self.weights.get(name, 0.0) * value
            for name, value in zip(Evidence.names(), found.values(), strict=True)
        )
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, z))))


BY_VECTORS: Final = Calibration(VECTORS["bias"], VECTORS)
BY_WORDS: Final = Calibration(WORDS["bias"], WORDS)


@runtime_checkable
class Described(Protocol):
    """An encoder whose tuner has notes about itself, the background of its cosines among them."""

    @property
    def notes(self) -> Mapping[str, str]:
        """The notes in the tuner's file, by key."""


def background_to_text(background: Background) -> str:
    """Return a background as it stands in a tuner's file, under the key "background"."""
    return json.dumps([round(background.mean, 5), round(background.spread, 5)])


def background_of(encoder: object) -> Background:
    """Return the background of an encoder's space.

    Raises:
        ValueError: the tuner's file has one that is not two numbers.
    """
    text = encoder.notes.get(_NOTE) if isinstance(encoder, Described) else None
    if text is None:
        return FALLBACK
    values = json.loads(text)
    if not isinstance(values, list) or len(values) != 2 or not float(values[1]) > 0:
        raise ValueError(f"a tuner's background is a mean and a spread; found {text[:80]!r}")
    return Background(float(values[0]), float(values[1]))
