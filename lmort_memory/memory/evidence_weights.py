"""Weights of the signs of `Evidence` and `Whole`; made by `benchmarks.kit.fit_evidence`."""

from typing import Final

VECTORS: Final[dict[str, float]] = {
    "bias": -6.5164,
    "near": 0.3884,
    "noise": -0.3008,
    "overlap": 0.9759,
    "shared": 0.0304,
    "rarest": 0.1298,
    "redundant": -12.7581,
    "behind": 0.2255,
    "lacking": 1.1707,
    "nearest": 1.6950,
    "first": 0.5619,
    "asks": 1.9281,
    "personal": 0.4003,
    "length": 0.0132,
    "chatter": -3.2658,
    "reply": -5.8629,
    "question": -3.8127,
    "foreign": -6.8861,
    "few": 1.5582,
    "timely": 0.9861,
}
VECTORS_QUESTION: Final[dict[str, float]] = {
    "bias": 1.1517,
    "best": 1.0177,
    "second": 0.1939,
    "total": -1.1323,
    "personal": 0.4986,
    "length": -0.0905,
    "near": 0.2970,
    "rarest": 0.1121,
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
    "bias": -6.4161,
    "overlap": 1.0499,
    "shared": 0.1228,
    "rarest": 0.2132,
    "redundant": -13.3000,
    "lacking": 2.5303,
    "first": 1.6018,
    "asks": 1.3194,
    "personal": 0.4911,
    "length": -0.0360,
    "chatter": -3.9333,
    "reply": -5.7042,
    "question": -3.8335,
    "foreign": -6.1760,
    "few": 1.6136,
    "timely": 0.8997,
}
WORDS_QUESTION: Final[dict[str, float]] = {
    "bias": 1.2252,
    "best": 1.1109,
    "second": 0.0506,
    "total": -0.1441,
    "personal": 0.1569,
    "length": -0.1281,
    "near": 0.0000,
    "rarest": 0.1299,
}
