"""Batches: the units of each step and their states. Deterministic, so training can resume."""

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
    """The texts of one step and their relations.

    Attributes:
        texts: int64 (B,): anchors, then positives, then negatives.
        n_units: Number of anchors.
        pairs: int64 (P,): the anchors with a positive, as rows of `texts`. The positives follow in
            this order, then their negatives, pair by pair.
        alike: bool (P, P): whether a pair's positive may answer another pair's query, as both are
            of one group or share a text.
    """

    texts: NDArray[np.int64]
    n_units: int
    pairs: NDArray[np.int64]
    alike: NDArray[np.bool_]


def epoch_plan(n_units: int, batch_size: int, *, seed: tuple[int, int]) -> NDArray[np.int64]:
    """Shuffle the units of an epoch into batches: int64 (n_batches, batch_size).

    Batches are random. If they were sorted by length, each step would see one kind of text (turns
    are short, paragraphs long); training was much worse that way. Units that do not fill a batch
    skip the epoch; if there are too few for one batch, all of them form it.

    Args:
        n_units: Number of units.
        batch_size: Units per batch.
        seed: (recipe's seed, epoch). The same seed gives the same plan.
    """
    order = np.random.default_rng(seed).permutation(n_units)
    size = min(batch_size, n_units)
    return order[: n_units // size * size].reshape(-1, size)


def make_batch(data: TrainingData, units: NDArray[np.int64]) -> Batch:
    """Arrange the texts of some units as a batch."""
    positives = data.positives[units]
    pairs = np.flatnonzero(positives >= 0)
    negatives = data.negatives[units][pairs].ravel()
    texts = np.concatenate([data.anchors[units], positives[pairs], negatives[negatives >= 0]])
    alike = _same(data.anchors[units][pairs]) | _same(positives[pairs])
    if data.groups is not None:
        alike |= _same(data.groups[units][pairs])
    return Batch(texts, len(units), pairs, alike & ~np.eye(len(pairs), dtype=bool))


def _same(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether two of the values are equal, (n, n); those below 0 equal none."""
    same: NDArray[np.bool_] = (values[:, None] == values) & (values >= 0)
    return same


def packed_states(
    cache: StatesCache,
    texts: NDArray[np.int64],
    *,
    layers: Sequence[int],
    limits: NDArray[np.int64] | None = None,
) -> tuple[Tensor, Tensor]:
    """Gather the stacked states of texts, float16 (L, rows, n_embd), and lengths, int64 (B,).

    `limits` truncates texts to a number of tokens. The backbone is causal, so the remaining states
    equal those of the truncated text.
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
