"""Weights of the signs of `Evidence`; made by `benchmarks.kit.fit_evidence`."""

from typing import Final

VECTORS: Final[dict[str, float]] = {
    "bias": -5.8548,
    "near": 0.1044,
    "noise": -0.1030,
    "overlap": 1.4651,
    "shared": 0.0775,
    "rarest": 0.1100,
    "redundant": -12.4882,
    "behind": 0.0490,
    "lacking": 1.7244,
    "nearest": 1.6391,
    "first": 0.7053,
    "asks": 1.6674,
    "personal": 0.5662,
    "length": -0.0302,
    "chatter": -3.6659,
    "reply": -5.7729,
    "question": -4.6583,
    "foreign": -6.4944,
    "few": 1.6230,
    "timely": 1.0731,
}
VECTORS_QUESTION: Final = (1.3569, 1.1332)

WORDS: Final[dict[str, float]] = {
    "bias": -6.3255,
    "overlap": 0.8792,
    "shared": 0.1248,
    "rarest": 0.2678,
    "redundant": -11.3149,
    "lacking": 2.5946,
    "first": 1.1495,
    "asks": 1.2929,
    "personal": 0.5115,
    "length": -0.0632,
    "chatter": -4.4633,
    "reply": -5.6673,
    "question": -4.5626,
    "foreign": -6.3341,
    "few": 1.3952,
    "timely": 0.9467,
}
WORDS_QUESTION: Final = (1.1493, 1.1817)
