"""Mean-pooled hidden states, and the statistics that standardise them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from lmort_memory.types import HiddenStates

__all__ = ["MIN_STD", "PooledStates", "pool_states"]

MIN_STD: Final = 1e-4  # of a dimension that never changes


@dataclass(frozen=True, slots=True)
class PooledStates:
    """Pooled states of n texts, with statistics over all of their tokens.

    Attributes:
        layers: The layers, as captured.
        pooled: Mean over the tokens of each text, float32 (len(layers), n, n_embd).
        mean: Mean over all tokens, float32 (len(layers), n_embd).
        std: Standard deviation over all tokens, at least `MIN_STD`; same shape.
    """

    layers: tuple[int, ...]
    pooled: NDArray[np.float32]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def standardised(self) -> NDArray[np.float32]:
        """The pooled states, standardised by the tokens' mean and std; same shape as `pooled`."""
        found: NDArray[np.float32] = (self.pooled - self.mean[:, None]) / self.std[:, None]
        return found


def pool_states(captured: Iterable[HiddenStates]) -> PooledStates:
    """Pool a stream of texts, holding the states of one at a time.

    Raises:
        ValueError: there are no texts.
    """
    pooled: list[NDArray[np.float32]] = []
    total = squares = np.zeros(())
    count = 0
    layers: tuple[int, ...] = ()
    for states in captured:
        pooled.append(states.states.mean(axis=1))
        total = total + states.states.sum(axis=1, dtype=np.float64)
        squares = squares + np.einsum("ltd,ltd->ld", states.states, states.states, dtype=np.float64)
        count += len(states.tokens)
        layers = states.layers
    if not pooled:
        raise ValueError("cannot pool an empty list of texts")
    mean = total / count
    std = np.sqrt((squares / count - mean**2).clip(min=MIN_STD**2))
    return PooledStates(
        layers, np.stack(pooled, axis=1), mean.astype(np.float32), std.astype(np.float32)
    )
