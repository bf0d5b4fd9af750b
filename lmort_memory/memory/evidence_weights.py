"""Weights of the signs of `Evidence`; made by `benchmarks.kit.fit_evidence`."""

from typing import Final

VECTORS: Final[dict[str, float]] = {
    "bias": -6.1511,
    "near": 0.3858,
    "noise": -0.0733,
    "overlap": 3.1229,
    "shared": 0.1021,
    "rarest": 0.0424,
    "redundant": -16.7203,
    "behind": 0.0684,
    "lacking": 1.6082,
    "nearest": 1.6141,
    "first": 0.8390,
    "asks": 1.6799,
    "personal": 0.7789,
    "length": -0.0689,
    "chatter": -3.7136,
    "reply": -5.7527,
    "question": -4.6736,
    "foreign": -6.5788,
    "near_personal": -0.1163,
    "near_overlap": -0.7107,
    "few": 1.7992,
    "timely": 0.9964,
}
VECTORS_QUESTION: Final = (1.3397, 1.1567)

WORDS: Final[dict[str, float]] = {
    "bias": -6.1078,
    "overlap": 0.7479,
    "shared": 0.1145,
    "rarest": 0.2349,
    "redundant": -14.5444,
    "lacking": 2.0190,
    "first": 1.3684,
    "asks": 1.4267,
    "personal": 0.4904,
    "length": -0.0929,
    "chatter": -4.4167,
    "reply": -5.7093,
    "question": -4.6269,
    "foreign": -7.9746,
    "few": 1.2859,
    "timely": 0.5058,
}
WORDS_QUESTION: Final = (1.0973, 1.1279)
