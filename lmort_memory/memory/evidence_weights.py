"""Weights of the signs of `Evidence`; made by `benchmarks.kit.fit_evidence`."""

from typing import Final

VECTORS: Final[dict[str, float]] = {
    "bias": -11.0999,
    "near": 0.4333,
    "noise": -0.0648,
    "overlap": 3.5489,
    "shared": 0.1021,
    "rarest": 0.0332,
    "redundant": -4.5766,
    "novel": 1.6024,
    "behind": 0.0432,
    "lacking": 1.8382,
    "nearest": 1.6333,
    "first": 0.6718,
    "asks": 1.5960,
    "personal": 0.8416,
    "length": -0.0377,
    "chatter": -3.6330,
    "reply": -5.4552,
    "question": -4.2176,
    "foreign": -6.4582,
    "near_personal": -0.1342,
    "near_overlap": -0.7629,
    "few": 1.8640,
    "timely": 1.1394,
}
VECTORS_QUESTION: Final = (1.3504, 1.1711)

WORDS: Final[dict[str, float]] = {
    "bias": -9.3600,
    "overlap": 0.9358,
    "shared": 0.1213,
    "rarest": 0.2644,
    "redundant": -7.7923,
    "novel": 1.0300,
    "lacking": 2.5548,
    "first": 1.1487,
    "asks": 1.2912,
    "personal": 0.5138,
    "length": -0.0594,
    "chatter": -4.4497,
    "reply": -5.4479,
    "question": -4.2390,
    "foreign": -6.3507,
    "few": 1.3313,
    "timely": 0.9470,
}
WORDS_QUESTION: Final = (1.1440, 1.1810)
