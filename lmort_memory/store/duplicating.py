"""Copy one store into another of any kind, and compare the two afterwards.

The source is read in one snapshot. Each batch of records is one transaction of the target, so an
interrupted copy is resumed by repeating it: what is there already is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TypeVar

from lmort_memory.errors import StoreError
from lmort_memory.store.protocol import Movable
from lmort_memory.store.records.rows import dump_metadata
from lmort_memory.store.values import Dumped, Filter, LedgerEntry, SourceState
from lmort_memory.types import Encoded, Progress, Record

__all__ = ["Duplicated", "Tally", "duplicate"]

BATCH = 500
ALL = Filter(expired=True)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows of one kind there are, and the SHA-256 of their contents in order."""

    kind: str
    count: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Duplicated:
    """What a copy wrote, and the tallies of both sides, which are equal.

    Attributes:
        new: Number of records that the target lacked.
        tallies: One per kind of content.
    """

    new: int
    tallies: tuple[Tally, ...]


def duplicate(source: Movable, target: Movable, *, progress: Progress | None = None) -> Duplicated:
    """Copy everything from one store into an empty or partly copied one, and verify it.

    Args:
        source: Read in one snapshot; others may write meanwhile.
        target: Holds nothing else.
        progress: Called with (done, total): records are copied, then read again to compare.

    Raises:
        StoreError: the target holds other records, or differs at the end.
    """
    with source.frozen():
        total = source.status().records
        _refuse_others(source, target)
        counted = _Counted(progress, 2 * total)
        ours = _Tallies()
        new = 0
        for batch in _batches(source.dump(ALL, vectors=True)):
            new += target.restore(batch)
            ours.add(batch)
            counted.add(len(batch))
        for entries in _batches(source.every_ledger()):
            target.restore([], ledgers=entries)
            ours.ledgers(entries)
        for states in _batches(source.every_source()):
            target.put_sources(states)
            ours.sources(states)
    theirs = _tallies_of(target, counted)
    _compare(ours.finished(), theirs)
    return Duplicated(new, theirs)


class _Counted:
    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def add(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, max(self._total, self._done))


def _tallies_of(store: Movable, counted: _Counted) -> tuple[Tally, ...]:
    tallies = _Tallies()
    for batch in _batches(store.dump(ALL, vectors=True)):
        tallies.add(batch)
        counted.add(len(batch))
    for entries in _batches(store.every_ledger()):
        tallies.ledgers(entries)
    for states in _batches(store.every_source()):
        tallies.sources(states)
    return tallies.finished()


def _refuse_others(source: Movable, target: Movable) -> None:
    """Raise StoreError if the target holds records that the source lacks."""
    for batch in _batches(target.records(ALL)):
        ids = tuple(one.id for one in batch)
        known = {one.id for one in source.records(replace(ALL, ids=ids))}
        if others := len(set(ids) - known):
            raise StoreError(
                f"cannot copy to {target.status().place}: it holds {others} or more records that"
                f" {source.status().place} lacks — name an empty database; nothing was changed"
            )


def _compare(ours: Sequence[Tally], theirs: Sequence[Tally]) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        if mine != other:
            raise StoreError(
                f"the copy differs in its {mine.kind}: {mine.count} in the source, {other.count} in"
                " the copy, or other contents — somebody wrote to it, or the source changed since"
                " an earlier copy was interrupted: copy into an empty database"
            )


class _Tallies:
    """Counts and hashes of what passes, kind by kind."""

    KINDS = ("records", "vectors", "token codes", "versions", "ledger", "sources")

    def __init__(self) -> None:
        self._hashes = {kind: hashlib.sha256() for kind in self.KINDS}
        self._counts = dict.fromkeys(self.KINDS, 0)

    def add(self, batch: Sequence[Dumped]) -> None:
        for one in batch:
            self._put("records", [_fields(one.record), one.origin and one.origin.hex()])
            for name in sorted(one.vectors):
                self._vectors(one.record.id, name, one.vectors[name])
            for version in one.history:
                self._put("versions", _fields(version))

    def ledgers(self, entries: Sequence[LedgerEntry]) -> None:
        for one in entries:
            ids = sorted(one.record_ids)
            payload = dump_metadata(one.payload)
            at = one.created_at and one.created_at.isoformat()
            self._put("ledger", [one.reply_id, one.session, ids, payload, at])

    def sources(self, states: Sequence[tuple[str, SourceState, datetime]]) -> None:
        for scope, one, at in states:
            facts = [scope, one.uri, one.digest, one.size_bytes, one.modified_ns, at.isoformat()]
            self._put("sources", facts)

    def finished(self) -> tuple[Tally, ...]:
        return tuple(
            Tally(kind, self._counts[kind], self._hashes[kind].hexdigest()) for kind in self.KINDS
        )

    def _vectors(self, id_: str, name: str, encoded: Encoded) -> None:
        data = encoded.vectors.astype("<f2").tobytes()
        self._put("vectors", [id_, name, encoded.spans], data, count=len(encoded.spans))
        if encoded.tokens is not None:
            codes = [one.tobytes() for one in encoded.tokens.chunks]
            lengths = [len(one) for one in codes]
            facts = [id_, name, encoded.tokens.kind, lengths]
            self._put("token codes", facts, b"".join(codes), count=len(codes))

    def _put(self, kind: str, facts: object, data: bytes = b"", *, count: int = 1) -> None:
        line = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        self._hashes[kind].update(line.encode() + b"\n" + data)
        self._counts[kind] += count


def _fields(record: Record) -> list[object]:
    times = (record.created_at, record.updated_at, record.expires_at)
    validity = (record.valid_from, record.valid_to)
    place = record.source and [record.source.uri, record.source.start, record.source.end]
    return [
        record.id,
        record.text,
        record.role,
        record.scope,
        record.session,
        dump_metadata(record.metadata),
        place,
        record.superseded_by,
        *(None if one is None else one.isoformat() for one in (*times, *validity)),
    ]


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(rows)
    while batch := list(islice(rest, BATCH)):
        yield batch
