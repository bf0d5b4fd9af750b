"""A memory's model as LangChain embeddings, and LangChain embeddings as the encoder of a memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from langchain_core.embeddings import Embeddings

from lmort_memory.encoder import mean_vector
from lmort_memory.types import Encoded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.memory import Memory
    from lmort_memory.types import Encoder, Progress

__all__ = ["EmbeddingsEncoder", "MemoryEmbeddings"]


class MemoryEmbeddings(Embeddings):
    """The vectors of a memory's own model; a long text has the mean of its chunks."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a unit vector for each text.

        Raises:
            ValueError: the memory has no model, or a text is empty.
        """
        return [mean_vector(one).tolist() for one in self._encoder.encode(texts)] if texts else []

    def embed_query(self, text: str) -> list[float]:
        """Return the unit vector of a question.

        Raises:
            ValueError: the memory has no model, or the text is empty.
        """
        vector: list[float] = self._encoder.encode_query(text).tolist()
        return vector

    @property
    def _encoder(self) -> Encoder:
        if self.memory.encoder is None:
            raise ValueError("embeddings need a model; this memory was opened without one")
        return self.memory.encoder


class EmbeddingsEncoder:
    """Any LangChain embeddings as the encoder of a memory: `Memory(EmbeddingsEncoder(e), store)`.

    Args:
        embeddings: Makes one vector for each text.
        name: Names the space of its vectors; change it with the model, since vectors of different
            models must never be compared.
    """

    def __init__(self, embeddings: Embeddings, *, name: str) -> None:
        self._embeddings = embeddings
        self._dim = len(embeddings.embed_query("dimension"))
        self._space = f"langchain-{name}-{self._dim}"

    @property
    def space(self) -> str:
        """`langchain-<name>-<dim>`."""
        return self._space

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._dim

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> list[Encoded]:
        """Encode texts; each is one chunk."""
        encoded = [
            Encoded(_unit(vector)[None], ((0, len(text)),))
            for text, vector in zip(
                texts, self._embeddings.embed_documents(list(texts)), strict=True
            )
        ]
        if progress is not None:
            progress(len(texts), len(texts))
        return encoded

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Encode a question to one unit vector."""
        return _unit(self._embeddings.embed_query(text))


def _unit(vector: Sequence[float]) -> NDArray[np.float32]:
    import numpy as np

    found = np.asarray(vector, np.float32)
    length = float(np.linalg.norm(found))
    unit: NDArray[np.float32] = found / np.float32(length) if length else found
    return unit
