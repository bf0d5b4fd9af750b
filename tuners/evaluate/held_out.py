"""Evaluate a tuner on the held-out part of the kit, and choose the best of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.untrained import AT_ONCE
from lmort_memory.kit import HELD_OUT_GROUP

from .analyze import reciprocal_rank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lmort_memory.encoder.artifact import Artifact
    from lmort_memory.encoder.lmort import TextOf

    from ..states.cache import StatesCache

    Array = NDArray[np.float32]

__all__ = ["Figures", "best_tier", "encode_cache", "judge"]

_BATCH: Final = 64  # texts whose states are in memory at a time


@dataclass(frozen=True, slots=True)
class Figures:
    """A tuner's results on the held-out part of the kit.

    Attributes:
        mrr: Mean reciprocal rank of the passage that answers a question, among all held-out texts
            that are not questions.
        cosine: Mean cosine to the teacher's vectors; None if the tuner was not fitted to them.
    """

    mrr: float
    cosine: float | None


def judge(vectors: Array, wanted: Array, fitted: Array | None) -> Figures:
    """Evaluate vectors of the kit's first texts: groups of question, passage, turn and note.

    Args:
        vectors: float32 (n, dim), unit norm; n is a multiple of 4.
        wanted: The teacher's vectors.
        fitted: The vectors that were fitted to the teacher's, or None.
    """
    group = np.arange(len(vectors)) % HELD_OUT_GROUP
    questions, others = (
        vectors[group == 0],
        vectors[group > 0].reshape(-1, HELD_OUT_GROUP - 1, vectors.shape[1]),
    )
    # Passages first, aligned with the questions; the other texts are candidates for all of them.
    candidates = np.concatenate([others[:, 0], others[:, 1], others[:, 2]])
    cosine = None if fitted is None else float((fitted * wanted).sum(axis=1).mean())
    return Figures(reciprocal_rank(questions, candidates), cosine)


def encode_cache(
    artifact: Artifact,
    cache: StatesCache,
    texts: NDArray[np.int64] | None = None,
    *,
    text_of: TextOf | None = None,
) -> Array:
    """Encode all or some texts of a cache as the product does, float32 (n, d).

    `text_of` is the model's detokenizer, which a tuner with word vectors needs.
    """
    tuner = Tuner(artifact, text_of)
    chosen = np.arange(len(cache.lengths)) if texts is None else texts
    parts = np.array_split(chosen, range(_BATCH, len(chosen), _BATCH))
    return np.concatenate([tuner.encode_batch([cache.get(int(i)) for i in part]) for part in parts])


def best_tier(figures: Mapping[str, Figures]) -> str:
    """Return the best tier: the fitted one nearest to the teacher, if it beats no tuner."""
    fitted = [tier for tier, found in figures.items() if found.cosine is not None]
    nearest = max(fitted, key=lambda tier: figures[tier].cosine or -1.0)
    return nearest if figures[nearest].mrr >= figures[AT_ONCE].mrr else AT_ONCE
