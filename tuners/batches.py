"""Batches: which units form a step, and their padded states. Deterministic, so resumable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from .data import TrainingData
    from .states import StatesCache

__all__ = ["Batch", "epoch_plan", "make_batch", "padded_states"]

_BUCKET_BATCHES: Final = 16  # batches sorted by length together: little padding, still random


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


def epoch_plan(
    data: TrainingData, lengths: NDArray[np.int64], *, batch_size: int, seed: tuple[int, int]
) -> list[NDArray[np.int64]]:
    """Shuffle the units of an epoch into batches of similar length.

    The last units that fill no batch sit this epoch out; there is always one batch.

    Args:
        data: The units.
        lengths: Tokens of each text.
        batch_size: Units in a batch.
        seed: (recipe's seed, epoch): the same gives the same plan.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.anchors))
    longest = lengths[data.anchors]
    paired = data.positives >= 0
    longest[paired] = np.maximum(longest[paired], lengths[data.positives[paired]])
    batches: list[NDArray[np.int64]] = []
    bucket = batch_size * _BUCKET_BATCHES
    for start in range(0, len(order), bucket):
        units = order[start : start + bucket]
        units = units[np.argsort(longest[units], kind="stable")]
        whole = max(len(units) // batch_size, int(not batches)) * batch_size
        batches += [units[i : i + batch_size] for i in range(0, whole, batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def make_batch(data: TrainingData, units: NDArray[np.int64]) -> Batch:
    """Lay out the texts of some units."""
    positives = data.positives[units]
    pairs = np.flatnonzero(positives >= 0)
    negatives = data.negatives[units][pairs]
    texts = np.concatenate([data.anchors[units], positives[pairs], negatives.ravel()])
    return Batch(texts, len(units), pairs, negatives.shape[1])


def padded_states(
    cache: StatesCache,
    texts: NDArray[np.int64],
    layers: Sequence[int],
    limits: NDArray[np.int64] | None = None,
) -> tuple[Tensor, Tensor]:
    """Gather states of texts: float16 (L, B, T, n_embd), and the mask, bool (B, T).

    `limits` cuts texts to so many tokens. The backbone is causal: the states that stay are those
    that the cut text would have had.
    """
    lengths = cache.lengths[texts]
    if limits is not None:
        lengths = np.minimum(lengths, limits)
    states = np.zeros(
        (len(layers), len(texts), int(lengths.max()), cache.manifest.n_embd), dtype=np.float16
    )
    for index, layer in enumerate(layers):
        rows = cache.layer(layer)
        for row, (text, length) in enumerate(zip(texts, lengths, strict=True)):
            start = cache.offsets[text]
            states[index, row, :length] = rows[start : start + length]
    mask = np.arange(states.shape[2]) < lengths[:, None]
    return torch.from_numpy(states), torch.from_numpy(mask)
