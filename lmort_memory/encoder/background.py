"""The background of a space: how similar a question is to texts that have nothing to do with it.

Cosines of different tuners mean different things: with one, unrelated texts are at 0.05 of each
other, with another at 0.2. So the file of a tuner made here notes, in its provenance, where those
of the kit's texts lie; `lmort_memory.memory.likelihood` reads it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmort_memory.encoder.artifact import Artifact
    from lmort_memory.kit import KitText

__all__ = ["with_background"]

_KEY: Final = "background"  # in the provenance of a tuner's file


def with_background(
    artifact: Artifact, vectors: NDArray[np.float32], items: Sequence[KitText]
) -> Artifact:
    """Note mean and deviation of a tuner's cosines of questions with texts of other kinds.

    Args:
        artifact: The tuner.
        vectors: Its vectors of texts of the kit, float32 (n, dim), unit norm.
        items: The n texts, questions and others; a few of them may answer each other.
    """
    asking = np.array([item.kind == "question" for item in items])
    cosines = vectors[asking] @ vectors[~asking].T
    note = json.dumps([round(float(cosines.mean()), 5), round(float(cosines.std()), 5)])
    provenance = {**artifact.card.provenance, _KEY: note}
    return replace(artifact, card=replace(artifact.card, provenance=provenance))
