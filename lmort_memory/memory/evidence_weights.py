"""Weights of the signs of `Evidence`, written by `python -m benchmarks.kit.fit_evidence`."""

from typing import Final

VECTORS: Final[dict[str, float]] = {
    "bias": -6.7616,
    "near": 0.4479,
    "noise": -0.0019,
    "overlap": 3.9080,
    "shared": 0.1835,
    "rarest": 0.1006,
    "redundant": -10.8180,
    "behind": 0.0279,
    "lacking": 1.8920,
    "nearest": 1.6900,
    "first": 0.8341,
    "asks": 1.8215,
    "personal": 0.7763,
    "length": -0.0067,
    "reply": -5.4010,
    "question": -4.0231,
    "foreign": -6.7819,
    "near_personal": -0.1090,
    "near_overlap": -0.7801,
    "few": 1.8986,
    "timely": 1.1620,
}
WORDS: Final[dict[str, float]] = {
    "bias": -6.8642,
    "overlap": 1.7389,
    "shared": 0.1452,
    "rarest": 0.3418,
    "redundant": -8.7745,
    "lacking": 2.4383,
    "first": 1.4687,
    "asks": 1.6654,
    "personal": 0.5044,
    "length": 0.0054,
    "reply": -5.1916,
    "question": -3.7477,
    "foreign": -7.1565,
    "few": 1.0008,
    "timely": 0.9824,
}
