"""Records under a key of the caller's: the one thing that paths, ids and items have in common.

The key is the record's source, so that `forget(source=key)` and a note's "in notes.txt" work as for
any imported file, and an index of the store finds it. One key of one scope has one record; putting
it again is an update, with the old version as history.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from lmort_memory.store.values import Filter
from lmort_memory.types import DEFAULT_SCOPE, Encoded, Source, Turn

if TYPE_CHECKING:
    from lmort_memory.memory import Memory
    from lmort_memory.types import JsonValue, Record, ScopeTree

__all__ = ["Document", "Documents"]


@dataclass(frozen=True, slots=True)
class Document:
    """What is kept under a key.

    Attributes:
        passages: Texts that are each found by a vector of their own; the record's text is their
            lines. One that the encoder finds long has several.
    """

    key: str
    passages: tuple[str, ...]
    scope: str = DEFAULT_SCOPE
    role: str = "note"
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    expires_at: datetime | None = None

    @property
    def text(self) -> str:
        """The record's text."""
        return "\n".join(self.passages)

    def turn(self, created_at: datetime | None = None) -> Turn:
        """Return it as the store takes it."""
        return Turn(
            self.text,
            role=self.role,
            scope=self.scope,
            created_at=created_at,
            metadata=self.metadata,
            source=Source(self.key),
            expires_at=self.expires_at,
        )


class Documents:
    """Keyed records of a memory. Thread-safe; of two processes that put one key, the later wins."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.lock = threading.RLock()
        """Hold it to read and then write as one step of this process."""

    def get(self, key: str, *, scope: str) -> Record | None:
        """Return the record under a key, or None."""
        found = self.memory.store.latest(Filter(scope=scope, source=key), limit=1)
        return found[0] if found else None

    def put(self, documents: Sequence[Document]) -> list[Record]:
        """Store each under its key, in place of what is there; of equal keys the last counts.

        New ones are encoded together.

        Raises:
            ValueError: a text of white space, metadata that is not JSON, or a naive time.
        """
        with self.lock:
            last = {(one.scope, one.key): self._cleaned(one) for one in documents}
            records, unencoded = [], []
            for document in last.values():
                record, changed = self._write(document)
                records.append(record)
                if changed:
                    unencoded.append((record, document))
            self._encode(unencoded)
            return records

    def delete(self, keys: Iterable[str], *, scope: str) -> int:
        """Forget what is under these keys; returns how many records there were."""
        with self.lock:
            ids = [
                record.id
                for key in dict.fromkeys(keys)
                for record in self.memory.store.records(Filter(scope=scope, source=key))
            ]
            return self.memory.forget(ids).records if ids else 0

    def all(
        self,
        *,
        scope: str | ScopeTree | None,
        role: str | None = None,
        where: Mapping[str, JsonValue] | None = None,
    ) -> Iterator[Record]:
        """Iterate over keyed records in order of creation; one that was put twice comes once."""
        return (
            record
            for record in self.memory.records(scope=scope, role=role, where=where)
            if record.source is not None
        )

    def _cleaned(self, document: Document) -> Document:
        """Return a document as it will be stored: without secrets, if the memory redacts.

        Each passage is cleaned by itself, since each is found by vectors of its own.
        """
        redactor = self.memory.redactor
        if redactor is None:
            return document
        return replace(
            document,
            passages=tuple(redactor.text(one) for one in document.passages),
            metadata=redactor.metadata(document.metadata),
        )

    def _write(self, document: Document) -> tuple[Record, bool]:
        """Store one; returns its record, and whether it needs vectors."""
        store = self.memory.store
        old = self.get(document.key, scope=document.scope)
        if old is None:
            stored = store.add([document.turn()])[0]
            self._drop_rivals(stored.record)
            return stored.record, stored.new
        record = store.update(old.id, document.turn(old.created_at))
        return record, record.text != old.text

    def _drop_rivals(self, record: Record) -> None:
        """Forget what another process put under the same key at the same time."""
        assert record.source is not None
        same = self.memory.store.records(Filter(scope=record.scope, source=record.source.uri))
        rivals = [one.id for one in same if one.id < record.id]
        if rivals:
            self.memory.forget(rivals)

    def _encode(self, written: Sequence[tuple[Record, Document]]) -> None:
        """Give vectors to records, one text of a document at a time; without an encoder, none."""
        encoder = self.memory.encoder
        if encoder is None or not written:
            return
        texts = [text for _, one in written for text in one.passages if text]
        encoded = iter(encoder.encode(texts))
        made = [
            _joined([(text, next(encoded)) for text in one.passages if text], one.passages)
            for _, one in written
        ]
        self.memory.store.put_vectors(encoder.space, [record for record, _ in written], made)


def _joined(encoded: Sequence[tuple[str, Encoded]], passages: Sequence[str]) -> Encoded:
    """Return the vectors of all passages, with spans in the record's whole text."""
    import numpy as np

    starts, at = [], 0
    for text in passages:
        if text:
            starts.append(at)
        at += len(text) + 1
    spans = tuple(
        (start + a, start + b)
        for start, (_, one) in zip(starts, encoded, strict=True)
        for a, b in one.spans
    )
    return Encoded(np.concatenate([one.vectors for _, one in encoded]), spans)
