"""The probability that a hit is the answer: a logistic function of its evidence.

    p = 1 / (1 + exp(-(bias + sum of weight · sign)))

There is one function for hits that were compared token by token, one for all other vectors, among
them those of an untrained map, whose cosines say much less, and one for recall by words alone.
Cosines are measured against the space's own background, which a tuner's file holds. All were
fitted on the fitting half of the first-hand set (`python -m benchmarks.kit.fit_evidence`), where
the answer is stored for half of the questions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from lmort_memory.memory.evidence import (
    FALLBACK,
    Background,
    Evidence,
    Signs,
    Whole,
    evidence,
    is_chatter,
    names_only_a_time,
)
from lmort_memory.memory.evidence_weights import (
    PLAIN,
    PLAIN_QUESTION,
    VECTORS,
    VECTORS_QUESTION,
    WORDS,
    WORDS_QUESTION,
)
from lmort_memory.memory.kinds import is_pleasantry, looks_up

if TYPE_CHECKING:
    from lmort_memory.types import Hit

__all__ = [
    "BY_PLAIN",
    "BY_VECTORS",
    "BY_WORDS",
    "WORTH_NOTES",
    "Calibration",
    "Described",
    "background_of",
    "likelihoods",
]

WORTH_NOTES: Final = 0.4  # least estimate that anything answers at which notes are given


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic function of `Evidence`; signs that are not named have weight 0.

    Attributes:
        bias: Log-odds of a hit without any sign.
        weights: Weight of each sign, by name.
        question: Weight of each sign of `Whole`, by name, and "bias": the log-odds that any hit
            answers.
    """

    bias: float
    weights: Mapping[str, float]
    question: Mapping[str, float]

    def likelihood(self, found: Evidence) -> float:
        """Return the estimate, from 0 to 1."""
        return _logistic(self.bias + _weighed(found, self.weights))

    def stored(self, signs: Sequence[Evidence], chances: Sequence[float]) -> float:
        """Return the probability that any record answers, from the signs and estimates of all."""
        if max(chances, default=0.0) <= 0:
            return 0.0
        whole = Whole.of(signs, chances)
        return _logistic(self.question["bias"] + _weighed(whole, self.question))


def _weighed(signs: Signs, weights: Mapping[str, float]) -> float:
    named = zip(signs.names(), signs.values(), strict=True)
    return sum(weights.get(name, 0.0) * value for name, value in named)


def _logistic(z: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, z))))


BY_VECTORS: Final = Calibration(VECTORS["bias"], VECTORS, VECTORS_QUESTION)
BY_PLAIN: Final = Calibration(PLAIN["bias"], PLAIN, PLAIN_QUESTION)
BY_WORDS: Final = Calibration(WORDS["bias"], WORDS, WORDS_QUESTION)
_OF_THE_KIT: Final = Background(0.0454, 0.0922)  # the packaged tuner's, between the kit's texts
_HOLDS_ALL: Final = 0.5  # for a record with all words of what is looked up
_OF_A_TIME: Final = 0.5  # for anything said at the time that a query asks about


def likelihoods(
    query: str, hits: Sequence[Hit], encoder: object, *, now: datetime
) -> tuple[list[float], float]:
    """Return the probability that each hit answers a query, and that any record does.

    "What did I tell you last week?" names only a time: anything said then answers it.
    """
    if is_pleasantry(query):
        return [0.0] * len(hits), 0.0
    calibration = _calibration(hits)
    signs = evidence(query, hits, background_of(encoder), now=now)
    if names_only_a_time(query, now):
        chances = [
            _OF_A_TIME
            if one.timely > 0 and not (one.reply or one.echo or is_chatter(hit.record.text))
            else 0.0
            for one, hit in zip(signs, hits, strict=True)
        ]
        return chances, max(chances, default=0.0)
    chances = _answers_first(signs, [calibration.likelihood(one) for one in signs])
    stored = calibration.stored(signs, chances)
    if looks_up(query):
        chances = [max(p, _holds_all(one)) for p, one in zip(chances, signs, strict=True)]
        stored = max([stored, *chances])
    return chances, stored


def _holds_all(found: Evidence) -> float:
    """Return the least estimate of a hit for a text that is looked up: it may be what was meant."""
    said_before = found.echo or found.reply or found.redundant >= 1.0
    return 0.0 if said_before or found.overlap < 1.0 else _HOLDS_ALL


def _answers_first(signs: Sequence[Evidence], chances: Sequence[float]) -> list[float]:
    """Return the estimates with no echo above half of the likeliest other hit."""
    most = max((p for p, one in zip(chances, signs, strict=True) if not one.echo), default=2.0)
    return [min(p, most / 2) if one.echo else p for p, one in zip(chances, signs, strict=True)]


def _calibration(hits: Sequence[Hit]) -> Calibration:
    if all(hit.scores.dense is None for hit in hits):
        return BY_WORDS
    return BY_PLAIN if all(hit.scores.tokens is None for hit in hits) else BY_VECTORS


@runtime_checkable
class Described(Protocol):
    """An encoder whose tuner records its provenance, including the background of its cosines."""

    @property
    def provenance(self) -> Mapping[str, str]:
        """How the tuner was made, by key."""


def background_of(encoder: object) -> Background:
    """Return the background of an encoder's space, in talk.

    A tuner's file records it between texts of the kit; what talk adds is the packaged tuner's.

    Raises:
        ValueError: the background in the tuner's file is not two numbers.
    """
    text = encoder.provenance.get("background") if isinstance(encoder, Described) else None
    if text is None:
        return FALLBACK
    values = json.loads(text)
    if not isinstance(values, list) or len(values) != 2 or not float(values[1]) > 0:
        raise ValueError(f"a tuner's background must be a mean and a spread; got {text[:80]!r}")
    mean, spread = map(float, values)
    return Background(
        FALLBACK.mean + mean - _OF_THE_KIT.mean, FALLBACK.spread * spread / _OF_THE_KIT.spread
    )
