"""An encoder without a model: hashed bags of words. Deterministic; for testing plumbing only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from lmort_memory.types import AskedTokens, Encoded, Progress, TokenCodes

__all__ = ["HashEncoder"]

WORD = re.compile(r"\w+")


class HashEncoder:
    """Texts that share words are close; a text of up to `chunk` words is one vector.

    Args:
        dim: Width of a vector.
        chunk: Words per chunk of a stored text.
        name: Part of the space's name, so that a test can have two spaces of one width.
        tokens: Whether texts get token codes: the signs of each word's direction.
    """

    def __init__(
        self, dim: int = 64, *, chunk: int = 50, name: str = "words", tokens: bool = False
    ) -> None:
        self._dim = dim
        self._chunk = chunk
        self._name = name
        self._tokens = tokens

    @property
    def space(self) -> str:
        """`hash-<name>-<dim>`."""
        return f"hash-{self._name}-{self._dim}"

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._dim

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> list[Encoded]:
        """Encode texts; each has at least one chunk."""
        encoded = []
        for done, text in enumerate(texts, 1):
            spans = self._spans(text)
            vectors = np.stack([self.encode_query(text[start:end]) for start, end in spans])
            encoded.append(Encoded(vectors, spans, self._codes(text, spans)))
            if progress is not None:
                progress(done, len(texts))
        return encoded

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Encode a text to one unit vector: the sum of a random direction for each word."""
        total = np.zeros(self._dim, np.float32)
        for word in WORD.findall(text.casefold()) or [text]:
            total += self._direction(word)
        length = float(np.linalg.norm(total))
        return total / np.float32(length) if length else self._direction("")

    @property
    def token_kind(self) -> str | None:
        """`hash-<name>-<dim>-signs`; None without tokens."""
        return f"{self.space}-signs" if self._tokens else None

    def encode_question(self, text: str) -> tuple[NDArray[np.float32], AskedTokens]:
        """Encode a question; all words have the same weight."""
        vectors = self._directions(text)
        weights = np.full(len(vectors), 1 / len(vectors), np.float32)
        return self.encode_query(text), AskedTokens(vectors, weights)

    def asked_tokens(
        self, tokens: Sequence[int], states: NDArray[np.float32]
    ) -> AskedTokens | None:
        """Return None: this encoder does not read hidden states."""
        return None

    def token_scores(self, asked: AskedTokens, codes: Sequence[TokenCodes]) -> NDArray[np.float32]:
        """Compare word by word, float32 (len(codes),)."""
        scores = [max(self._alike(asked, chunk) for chunk in one.chunks) for one in codes]
        return np.array(scores, np.float32)

    def _alike(self, asked: AskedTokens, chunk: NDArray[np.uint8]) -> float:
        bits = np.unpackbits(chunk, axis=1, count=self._dim).astype(np.float32)
        cosines = asked.vectors @ (2 * bits - 1).T / np.sqrt(self._dim)
        return float(cosines.max(axis=1) @ asked.weights)

    def _codes(self, text: str, spans: tuple[tuple[int, int], ...]) -> TokenCodes | None:
        if self.token_kind is None:
            return None
        found = [np.packbits(self._directions(text[a:b]) > 0, axis=1) for a, b in spans]
        return TokenCodes(self.token_kind, tuple(found))

    def _directions(self, text: str) -> NDArray[np.float32]:
        return np.stack([self._direction(word) for word in WORD.findall(text.casefold()) or [text]])

    def _direction(self, word: str) -> NDArray[np.float32]:
        digest = blake2b(f"{self._name} {word}".encode(), digest_size=8).digest()
        seed = int.from_bytes(digest, "little")
        drawn = np.random.default_rng(seed).standard_normal(self._dim).astype(np.float32)
        unit: NDArray[np.float32] = drawn / np.linalg.norm(drawn)
        return unit

    def _spans(self, text: str) -> tuple[tuple[int, int], ...]:
        words = list(WORD.finditer(text))
        starts = [words[i].start() for i in range(0, len(words), self._chunk)] or [0]
        starts[0] = 0
        return tuple(zip(starts, [*starts[1:], len(text)], strict=True))
