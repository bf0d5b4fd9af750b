"""Weights of the signs of `Evidence` and `Whole`; made by `benchmarks.kit.fit_evidence`."""

from typing import Final

VECTORS: Final[dict[str, float]] = {
    "bias": -7.0734,
    "near": 0.4664,
    "noise": -0.2541,
    "overlap": 1.1854,
    "shared": -0.0002,
    "rarest": 0.1344,
    "redundant": -8.8138,
    "behind": 0.2353,
    "lacking": 0.8908,
    "nearest": 1.8662,
    "first": 0.3294,
    "asks": 2.0419,
    "personal": 0.6033,
    "length": 0.0277,
    "chatter": -3.2835,
    "reply": -5.6804,
    "question": -3.0655,
    "foreign": -6.2476,
    "few": 1.4451,
    "timely": 0.9510,
}
VECTORS_QUESTION: Final[dict[str, float]] = {
    "bias": 1.3595,
    "best": 1.1363,
    "second": 0.2618,
    "total": -1.4693,
    "personal": 0.3946,
    "length": -0.0890,
    "near": 0.3000,
    "rarest": 0.1166,
}

PLAIN: Final[dict[str, float]] = {
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
PLAIN_QUESTION: Final[dict[str, float]] = {
    "bias": 1.3569,
    "best": 1.1332,
}

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
WORDS_QUESTION: Final[dict[str, float]] = {
    "bias": 1.1493,
    "best": 1.1817,
}
