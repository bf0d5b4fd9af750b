"""Vectors for what is stored and for what is asked: at once, in batches, or in the background."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lmort_memory.errors import LmortError, SpaceMismatchError
from lmort_memory.store.protocol import Store
from lmort_memory.types import Encoder, Progress, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.types import Encoded

__all__ = ["Encoding"]


class Encoding:
    """One store and the encoders that are at hand for it. Thread-safe.

    Args:
        encoder: Makes the vectors of the present space; None makes none.
        previous: Encoders of older spaces, for queries until every record has a new vector.
    """

    def __init__(
        self, encoder: Encoder | None, store: Store, *, previous: Sequence[Encoder]
    ) -> None:
        self.trouble: str | None = None
        self._encoder = encoder
        self._store = store
        self._previous = tuple(previous)
        self._closing = threading.Event()
        self._worker: threading.Thread | None = None

    @property
    def space(self) -> str | None:
        """The present space."""
        return None if self._encoder is None else self._encoder.space

    def check(self, encoded: Encoded) -> None:
        """Refuse vectors that cannot be of the present space.

        Raises:
            SpaceMismatchError: another width, or no encoder at all.
        """
        expected = None if self._encoder is None else self._encoder.dim
        if encoded.vectors.ndim != 2 or encoded.vectors.shape[1] != expected:
            raise SpaceMismatchError(
                f"cannot add vectors of shape {encoded.vectors.shape}: expected rows of {expected}"
                " numbers — take the vectors from this memory's own encoder",
                expected=str(expected),
                found=str(encoded.vectors.shape),
            )

    def encode(self, records: Sequence[Record]) -> None:
        """Give records their vectors, if there is an encoder."""
        if self._encoder is not None and records:
            encoded = self._encoder.encode([record.text for record in records])
            self._store.put_vectors(self._encoder.space, records, encoded)

    def queries(
        self, query: str, vector: NDArray[np.float32] | None
    ) -> dict[str, NDArray[np.float32]]:
        """Return the query's vector in every space that is asked, the present one first."""
        if self._encoder is None:
            return {}
        present = self._encoder.encode_query(query) if vector is None else vector
        older = self._previous if query.strip() else ()
        return {self._encoder.space: present} | {
            encoder.space: encoder.encode_query(query) for encoder in older
        }

    def pending(self) -> int:
        """Return how many records have no vectors in the present space."""
        if self._encoder is None:
            return 0
        for space in self._store.spaces():
            if space.name == self._encoder.space:
                return space.pending
        return self._store.status().records

    def catch_up(self, *, progress: Progress | None, batch_size: int) -> int:
        """Give every pending record its vectors, batch by batch; returns how many got some."""
        if self._encoder is None:
            return 0
        total = self.pending() if progress is not None else 0
        done, last = 0, None
        while batch := self._store.pending(self._encoder.space, limit=batch_size, after=last):
            if self._closing.is_set():
                return done
            self.encode(batch)
            done, last = done + len(batch), batch[-1].id
            if progress is not None:
                progress(done, max(total, done))
        self._previous = ()
        return done

    def drop_others(self) -> None:
        """Delete every other space, unless records still wait for the present one."""
        if self._encoder is None or self.pending():
            return
        for space in self._store.spaces():
            if space.name != self._encoder.space:
                self._store.drop_space(space.name)

    def begin(self, *, batch_size: int) -> None:
        """Catch up in the background; harmless while that goes on."""
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(
                target=self._quietly, args=(batch_size,), name="lmort-encode", daemon=True
            )
            self._worker.start()

    def close(self) -> None:
        """End the background work after its present batch and wait for it."""
        self._closing.set()
        if self._worker is not None:
            self._worker.join()

    def _quietly(self, batch_size: int) -> None:
        try:
            self.catch_up(progress=None, batch_size=batch_size)
        except LmortError as error:
            if not self._closing.is_set():
                self.trouble = f"encoding in the background stopped: {error}"
