"""all-MiniLM-L6-v2 through transformers, as an `Encoder`: what a second model would find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lmort_memory import Encoded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Embedder:
    """Vectors of all-MiniLM-L6-v2, one per text, from as many threads as there are cores."""

    space, dim = "minilm", 384

    def __init__(self) -> None:
        import os

        import torch

        from lmort_memory.tuners.train.teacher import Teacher

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._teacher = Teacher()

    def encode(self, texts: Sequence[str], *, progress: object = None) -> list[Encoded]:
        """Encode texts to one vector each; MiniLM reads at most 256 tokens of one."""
        vectors = self._teacher.encode(list(texts))
        return [
            Encoded(vector[None, :], ((0, len(text)),))
            for vector, text in zip(vectors, texts, strict=True)
        ]

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Encode a question to a unit vector, float32 (384,)."""
        return self._teacher.encode([text])[0]
