"""Vectors for records and queries: at once, in batches, or in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lmort_memory.errors import LmortError, SpaceMismatchError, StoreError
from lmort_memory.memory import canaries
from lmort_memory.memory.kinds import is_shouted
from lmort_memory.memory.recall import Question, Tokens
from lmort_memory.store.protocol import Named, Preparing, Store, TokenCodesKeeper
from lmort_memory.store.values import Filter
from lmort_memory.text import REPLACEMENT
from lmort_memory.types import Encoder, Progress, Record, TokenEncoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.types import AskedTokens, Encoded

__all__ = ["BATCH", "Encoding"]

BATCH: Final = 64
"""Records that are encoded, and on disk with their vectors, before the next."""

_BOOK: Final = 50_000  # characters: a minute of reading


def _readable(text: str) -> str:
    """Return a text, or U+FFFD for control characters alone: a model may have no token for them.

    One such record would end every import after it.
    """
    return text if any(map(str.isprintable, text)) or not text.strip() else REPLACEMENT


class _Closing(Exception):
    """The memory is being closed."""


class Encoding:
    """A store and its available encoders. Thread-safe.

    Args:
        encoder: Makes the vectors of the current space; None makes none.
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
        self._beginning = threading.Lock()
        self._wanted = self._working = False  # of the background work; both need the lock
        self._watching = threading.Lock()
        self._watched = not hasattr(encoder, "environment")
        self._given = False  # vectors came from a chat's own forward pass

    @property
    def space(self) -> str | None:
        """The current space."""
        return None if self._encoder is None else self._encoder.space

    def check(self, encoded: Encoded) -> None:
        """Check that vectors can belong to the current space.

        Raises:
            SpaceMismatchError: the width differs, or there is no encoder.
        """
        expected = None if self._encoder is None else self._encoder.dim
        if encoded.vectors.ndim != 2 or encoded.vectors.shape[1] != expected:
            raise SpaceMismatchError(
                f"cannot add vectors of shape {encoded.vectors.shape}: expected rows of {expected}"
                " numbers — take the vectors from this memory's own encoder",
                expected=str(expected),
                found=str(encoded.vectors.shape),
            )
        self._given = True

    def encode(self, records: Sequence[Record], *, progress: Progress | None = None) -> None:
        """Encode records, if there is an encoder; what `progress` raises stops it."""
        if self._encoder is not None and records:
            texts = [_readable(record.text) for record in records]
            encoded = self._encoder.encode(texts, progress=progress)
            self._store.put_vectors(self._encoder.space, records, encoded)
            self._watch()

    def ask(
        self,
        query: str,
        vector: NDArray[np.float32] | None,
        tokens: AskedTokens | None = None,
    ) -> Question:
        """Encode a query for every space to search, the current one first.

        If its vector is given, only tokens given with it are used. A shouted query is encoded as
        if it were said.
        """
        query = _readable(query.lower() if is_shouted(query) else query)
        if self._encoder is None:
            return Question({})
        if isinstance(self._store, Preparing):
            self._store.prepare(self._encoder.space)
        self._watch(first=False)  # a chat's first question waits for no further forward pass
        codes = self._token_encoder()
        if vector is None and codes is not None:
            vector, tokens = codes.encode_question(query)
        elif vector is None:
            vector = self._encoder.encode_query(query)
        older = self._previous if query.strip() else ()
        spaces = {encoder.space: encoder.encode_query(query) for encoder in older}
        compared = None if codes is None or tokens is None else Tokens(codes, tokens)
        return Question({self._encoder.space: vector} | spaces, compared)

    def renew(self, *, progress: Progress | None) -> int:
        """Make the vectors of a drifted space anew; returns of how many records."""
        if self._encoder is None:
            return 0
        self._watch()
        return canaries.renew(
            self._encoder,
            self._store,
            batch_size=BATCH,
            stop=self._closing,
            progress=progress,
        )

    def drift(self) -> canaries.Drift | None:
        """Return how far the current space has drifted, if it has."""
        with suppress(StoreError):  # closed
            return None if self.space is None else canaries.drift_of(self._store, self.space)
        return None

    def stale(self) -> str | None:
        """Say that the memory has vectors of another tuner only, judged by its oldest record.

        That costs a few rows; records are counted only if there is something to say.
        """
        if self._encoder is None or self._previous or not isinstance(self._store, Named):
            return None
        with suppress(StoreError):  # closed
            others = [name for name in self._store.space_names() if name != self.space]
            oldest = next(iter(self._store.records(Filter(expired=True))), None) if others else None
            if oldest is None or self._store.vectors(self._encoder.space, [oldest.id]):
                return None
            if any(self._store.vectors(name, [oldest.id]) for name in others):
                return (
                    f"records without vectors of this model's tuner: {self.pending():,}, found by"
                    " words alone; run: lmort-mem reencode"
                )
        return None

    def _watch(self, *, first: bool = True) -> None:
        """Compare the canaries once, at the first use of a space that has vectors."""
        if self._watched or self._encoder is None:
            return
        with self._watching, suppress(StoreError):  # read-only, or busy: recall goes on
            if not self._watched:
                self._watched = canaries.check(self._encoder, self._store, first=first)

    def _token_encoder(self) -> TokenEncoder | None:
        encoder = self._encoder
        if isinstance(encoder, TokenEncoder) and encoder.token_kind is not None:
            return encoder
        return None

    def add_tokens(self, *, progress: Progress | None) -> int:
        """Add token codes to records whose vectors lack them; returns how many got some.

        If token codes are switched off, the space's codes are deleted. An encoder without token
        support changes nothing.
        """
        known = isinstance(self._encoder, TokenEncoder)
        if self._encoder is None or not known or not isinstance(self._store, TokenCodesKeeper):
            return 0
        codes, space = self._token_encoder(), self._encoder.space
        if codes is None or codes.token_kind is None:
            self._store.drop_tokens(space)
            return 0
        done, last = 0, None
        while batch := self._store.lacking_tokens(space, codes.token_kind, limit=BATCH, after=last):
            if self._closing.is_set():
                return done
            self.encode(batch)
            done, last = done + len(batch), batch[-1].id
            if progress is not None:
                progress(done, None)
        return done

    def pending(self) -> int:
        """Return how many records have no vectors in the current space."""
        if self._encoder is None:
            return 0
        for space in self._store.spaces():
            if space.name == self._encoder.space:
                return space.pending
        return self._store.status().records

    def catch_up(self, *, progress: Progress | None, batch_size: int = BATCH) -> int:
        """Encode every pending record, batch by batch; returns how many got vectors."""
        if self._encoder is None:
            return 0
        total = self.pending() if progress is not None else 0
        done = 0
        for batch in self._batches(self._encoder.space, batch_size):
            try:
                self._stop_if_closing(done, total)
                self.encode(batch, progress=self._stop_if_closing)
            except _Closing:
                return done
            done += len(batch)
            if progress is not None:
                progress(done, max(total, done))
        self._previous = ()
        return done

    def _batches(self, space: str, size: int) -> Iterator[list[Record]]:
        """Yield the records without vectors.

        Books come last, one at a time, so that nothing waits for them.
        """
        books: list[str] = []
        last = None
        while batch := self._store.pending(space, limit=size, after=last):
            last = batch[-1].id
            books += [record.id for record in batch if len(record.text) > _BOOK]
            if short := [record for record in batch if len(record.text) <= _BOOK]:
                yield short
        for id_ in books:
            yield list(self._store.get([id_]).values())

    def drop_others(self) -> None:
        """Delete all other spaces, unless records still lack vectors in the current one."""
        if self._encoder is None or self.pending():
            return
        for space in self._store.spaces():
            if space.name != self._encoder.space:
                self._store.drop_space(space.name)

    def begin(self) -> None:
        """Start encoding in the background; harmless if it is already running."""
        with self._beginning:
            self._wanted = True
            if self._working:
                return  # it looks for records once more before it ends
            self._working = True
            self._worker = threading.Thread(target=self._work, name="lmort-encode", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        """Catch up until nobody has asked for it since."""
        while self._is_wanted():
            self._quietly()

    def _is_wanted(self) -> bool:
        with self._beginning:
            self._working = self._wanted and not self._closing.is_set()
            self._wanted = False
            return self._working

    def close(self) -> None:
        """Stop the background work, and wait for it: what it was reading is read again later.

        If all vectors came from a chat, the space gets its canaries now: no turn waited for them.
        """
        self._closing.set()
        with self._beginning:
            worker = self._worker
        if worker is not None:
            worker.join()
        if self._given:
            with suppress(LmortError):  # such as a backbone that was closed before
                self._watch()

    def _stop_if_closing(self, _done: int, _total: int | None) -> None:
        """Stop inside a batch, which may hold a whole book."""
        if self._closing.is_set():
            raise _Closing

    def _quietly(self) -> None:
        try:
            self.catch_up(progress=None)
        except LmortError as error:
            if not self._closing.is_set():
                self.trouble = f"encoding in the background stopped: {error}"
