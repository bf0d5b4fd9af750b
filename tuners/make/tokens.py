"""A sample of tokens from a cache of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.encoder.token_fit import TokenSample

if TYPE_CHECKING:
    from ..states.cache import StatesCache

__all__ = ["token_sample"]

_TEXTS: Final = 2000


def token_sample(cache: StatesCache) -> TokenSample:
    """Sample the tokens of up to 2,000 texts, spread over the cache."""
    chosen = np.unique(np.linspace(0, len(cache.lengths) - 1, _TEXTS).astype(np.int64))
    sample = TokenSample()
    for _ in sample.watch(cache.get(int(i)) for i in chosen):
        pass
    return sample
