"""Batches: which units form a step, and their states. Deterministic, so resumable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ..states.cache import StatesCache
    from .data import TrainingData

__all__ = ["Batch", "epoch_plan", "make_batch", "packed_states"]


@dataclass(frozen=True, slots=True)
class Batch:
    """The texts of one step and how they belong together.

    Attributes:
        texts: int64 (B,): anchors first, then positives, then negatives.
        n_units: How many of them are anchors.
        pairs: int64 (P,): the anchors that have a positive, as rows of `texts`; the positives
            follow the anchors in this order, and then the negatives, N for each pair.
        n_negatives: N.
    """

    texts: NDArray[np.int64]
    n_units: int
    pairs: NDArray[np.int64]
    n_negatives: int


def epoch_plan(n_units: int, batch_size: int, *, seed: tuple[int, int]) -> NDArray[np.int64]:
    """Shuffle the units of an epoch into batches: int64 (n_batches, batch_size).

    Batches are random: sorted by length, each step would see texts of one kind only (turns are
    short, paragraphs long), and training was much worse. Units that fill no batch sit the epoch
    out; where there are fewer than one batch, all of them are one.

    Args:
        n_units: How many units there are.
        batch_size: Units in a batch.
        seed: (recipe's seed, epoch): the same gives the same plan.
    """
    order = np.random.default_rng(seed).permutation(n_units)
    size = min(batch_size, n_units)
    return order[: n_units // size * size].reshape(-1, size)


def make_batch(data: TrainingData, units: NDArray[np.int64]) -> Batch:
    """Lay out the texts of some units."""
    positives = data.positives[units]
    pairs = np.flatnonzero(positives >= 0)
    negatives = data.negatives[units][pairs]
    texts = np.concatenate([data.anchors[units], positives[pairs], negatives.ravel()])
    return Batch(texts, len(units), pairs, negatives.shape[1])


def packed_states(
    cache: StatesCache,
    texts: NDArray[np.int64],
    *,
    layers: Sequence[int],
    limits: NDArray[np.int64] | None = None,
) -> tuple[Tensor, Tensor]:
    """Gather states of texts, row under row: float16 (L, rows, n_embd), and lengths, int64 (B,).

    `limits` cuts texts to so many tokens. The backbone is causal: the states that stay are those
    that the cut text would have had.
    """
    lengths = cache.lengths[texts]
    if limits is not None:
        lengths = np.minimum(lengths, limits)
    starts = cache.offsets[texts]
    states = np.stack(
        [
            np.concatenate([rows[a : a + n] for a, n in zip(starts, lengths, strict=True)])
            for rows in map(cache.layer, layers)
        ]
    )
    return torch.from_numpy(states), torch.from_numpy(lengths)
