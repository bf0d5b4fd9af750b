"""The protocol of a store, in parts: any class with these methods is a `Store`.

    Store = Records + Order + Rankings + Vectors + Sources + Conversations + Upkeep

A store of another kind (PostgreSQL, say) uses the values of `values.py` and must pass
`lmort_memory.testing.check_store`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from lmort_memory.store.values import (
    Around,
    Canaries,
    DenseMatch,
    Dumped,
    Facets,
    Filter,
    LedgerEntry,
    LexicalMatch,
    Receipt,
    SessionInfo,
    SourceChange,
    SourceState,
    SpaceInfo,
    Stored,
    StoreStatus,
    Verification,
)
from lmort_memory.types import Progress, Record, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.store.replica.replication import Replication
    from lmort_memory.types import Encoded, TokenCodes

__all__ = [
    "CanaryKeeper",
    "Movable",
    "Preparing",
    "Replicated",
    "SourcesTogether",
    "Store",
    "Superseding",
    "TokenCodesKeeper",
    "TokenCodesReader",
]


class Records(Protocol):
    """Records and their versions: stored, read, changed, exported."""

    def add(
        self,
        turns: Sequence[Turn],
        *,
        space: str | None = None,
        encoded: Sequence[Encoded] | None = None,
    ) -> list[Stored]:
        """Store turns in one transaction; the same content from the same origin is stored once.

        A turn without source and time says what holds now: it is new where what says the same has
        been superseded.
        """

    def get(self, ids: Iterable[str]) -> dict[str, Record]:
        """Return the records that exist and have not expired, by id."""

    def update(self, record_id: str, turn: Turn) -> Record:
        """Replace text, role, metadata and expiry of a record; the old version becomes history."""

    def set_expiry(self, ids: Sequence[str], expires_at: datetime | None) -> int:
        """Change when records expire, without a new version; returns how many were changed."""

    def history(self, record_id: str) -> list[Record]:
        """Return the versions of a record, oldest first; the current one is last."""

    def supersede(
        self, old_id: str, new_id: str, *, at: datetime | None = None
    ) -> tuple[Record, Record]:
        """Replace one record by another; returns both records after the change."""

    def predecessors(self, ids: Iterable[str]) -> dict[str, list[Record]]:
        """Return the records that each of these has replaced, latest first."""

    def records(self, chosen: Filter, *, after: str | None = None) -> Iterator[Record]:
        """Iterate over a snapshot in order of id, starting after the id `after`."""

    def dump(self, chosen: Filter, *, vectors: bool = False) -> Iterator[Dumped]:
        """Iterate like `records`, with what `restore` needs."""

    def restore(self, dumped: Sequence[Dumped], *, ledgers: Sequence[LedgerEntry] = ()) -> int:
        """Import exported records under their ids, with their versions, and ledger entries.

        What exists is kept. Returns how many records are new.
        """


class Order(Protocol):
    """Records in the order in which they were stored or said."""

    def latest(self, chosen: Filter, *, limit: int) -> list[Record]:
        """Return the records stored last, newest at the end."""

    def sessions(self, chosen: Filter, *, limit: int) -> list[SessionInfo]:
        """Return the most recently active sessions, newest at the end."""

    def facets(self, chosen: Filter) -> Facets:
        """Count the chosen records by scope and by role, and their sessions, each of one scope."""

    def around(self, record_id: str, n: int) -> Around:
        """Return the `n` turns before and the `n` after a record in its session (else its source).

        Records of other sources that link to its note come apart from them.
        """

    def followers(self, ids: Sequence[str], chosen: Filter) -> dict[str, str]:
        """Return the turn after each of these in its session, if it passes the filter."""


class Rankings(Protocol):
    """Rankings of records for a question. Best first, each record once; higher is better."""

    def dense(
        self, space: str, vector: NDArray[np.float32], chosen: Filter, *, limit: int
    ) -> list[DenseMatch]:
        """Rank records by the cosine of their best chunk."""

    def lexical(self, query: str, chosen: Filter, *, limit: int) -> list[LexicalMatch]:
        """Rank records by BM25; any text is a valid query."""


class Vectors(Protocol):
    """Vectors by space. Vectors of different spaces are never compared."""

    def vectors(self, space: str, ids: Iterable[str]) -> dict[str, Encoded]:
        """Return the stored vectors of records by id, with float16 precision."""

    def put_vectors(self, space: str, records: Sequence[Record], encoded: Sequence[Encoded]) -> int:
        """Store vectors of records, skipping records that were changed or deleted meanwhile."""

    def pending(self, space: str, *, limit: int, after: str | None = None) -> list[Record]:
        """Return records without vectors in the space, in order of id."""

    def spaces(self) -> list[SpaceInfo]:
        """Return every space that holds vectors, which are counted: slow in a large store."""

    def drop_space(self, space: str) -> int:
        """Delete the vectors of a space; returns how many were deleted."""

    def build_index(self, *, progress: Progress | None = None) -> None:
        """Update the caches of every space now instead of in the background."""


@runtime_checkable
class TokenCodesKeeper(Protocol):
    """Optional methods of a store, for late interaction.

    A store that keeps `Encoded.tokens` returns them from `vectors`. Without these methods, only new
    records get codes.
    """

    def lacking_tokens(
        self, space: str, kind: str, *, limit: int, after: str | None = None
    ) -> list[Record]:
        """Return records with vectors in the space but no token codes of a kind, by id."""

    def drop_tokens(self, space: str) -> int:
        """Delete the token codes of a space; returns the number of chunks that had some."""


@runtime_checkable
class TokenCodesReader(Protocol):
    """Optional method of a store: token codes without the vectors, which a recall does not need."""

    def token_codes(self, space: str, ids: Iterable[str]) -> dict[str, TokenCodes]:
        """Return token codes by id, leaving out records with a chunk that has none."""


@runtime_checkable
class Superseding(Protocol):
    """Optional method of a store, which lets a record be found by what it replaced."""

    def superseded(self, chosen: Filter, *, limit: int) -> dict[str, str]:
        """Return the ids of the latest replaced records, and of those that replaced them last."""


@runtime_checkable
class CanaryKeeper(Protocol):
    """Optional methods of a store, which let drift of vectors be noticed."""

    def canaries(self, space: str) -> Canaries | None:
        """Return the canaries of a space."""

    def put_canaries(self, space: str, canaries: Canaries) -> None:
        """Store the canaries of a space that exists, in place of earlier ones."""

    def replace_vectors(
        self, space: str, records: Sequence[Record], encoded: Sequence[Encoded]
    ) -> None:
        """Replace vectors of records in a space, and note the last id as `renewed_upto`."""


@runtime_checkable
class Preparing(Protocol):
    """An optional method of a store: reading ahead of the first search."""

    def prepare(self, space: str) -> None:
        """Begin to read what a search of a space needs, and return at once."""


@runtime_checkable
class Named(Protocol):
    """Optional method of a store, which lets vectors of another tuner be noticed."""

    def space_names(self) -> list[str]:
        """Return the names of all spaces, without counting what is in them."""


@runtime_checkable
class Replicated(Protocol):
    """Optional method of a store, for sync. Without it, sync is refused in one line."""

    def replication(self) -> Replication:
        """Return the changes of this store, for other devices, and take theirs."""


class Sources(Protocol):
    """Files and exports that were imported completely."""

    def source_state(self, uri: str, *, scope: str) -> SourceState | None:
        """Return the state of a completely imported source."""

    def sources(self, *, scope: str) -> list[SourceState]:
        """Return every completely imported source, in order of URI."""

    def replace_source(
        self,
        state: SourceState,
        turns: Iterable[Turn],
        *,
        scope: str,
        progress: Progress | None = None,
    ) -> SourceChange:
        """Make the records of a source equal to `turns`; unchanged records are kept."""


@runtime_checkable
class SourcesTogether(Protocol):
    """An optional method of a store, for folders of many small files."""

    def replace_sources(
        self, found: Sequence[tuple[SourceState, Sequence[Turn]]], *, scope: str
    ) -> list[SourceChange]:
        """Do `replace_source` for several small sources in one transaction: all of them or none."""


class Conversations(Protocol):
    """What a chat stores besides its turns."""

    def add_ledger(self, entry: LedgerEntry) -> None:
        """Store which records a reply was given."""

    def ledgers(
        self,
        *,
        record_id: str | None = None,
        session: str | None = None,
        limit: int | None = None,
    ) -> list[LedgerEntry]:
        """Return the latest entries of a session or that name a record, oldest first.

        Without a limit, all of them.
        """

    def state_path(self, session: str) -> Path | None:
        """Return where a chat may save a session's state; None if this store keeps no files."""


class Upkeep(Protocol):
    """Forgetting, sizes, damage, copies."""

    def quoting(self, chosen: Filter) -> list[str]:
        """Return the ids of other records that quote the chosen ones."""

    def forget(self, chosen: Filter) -> Receipt:
        """Delete records and every trace of them."""

    def sweep(self) -> Receipt:
        """Forget expired records."""

    def compact(self) -> None:
        """Free the disk space of deleted records, and index all words as this version does."""

    def status(self) -> StoreStatus:
        """Return sizes and counts."""

    def verify(self) -> Verification:
        """Check for damage and count the readable records."""

    def readable_records(self) -> Iterator[Record]:
        """Iterate over the readable records of a damaged store, skipping the rest."""

    def backup(self, target: Path) -> None:
        """Copy everything to a new file while others read and write."""

    def close(self) -> None:
        """Close the files; calling it again does nothing."""


class Store(Records, Order, Rankings, Vectors, Sources, Conversations, Upkeep, Protocol):
    """Records with their vectors and words. Safe for several threads and processes.

    Changes are on disk when a method returns.
    """


@runtime_checkable
class Movable(Store, Protocol):
    """A store that can be copied whole; see `store/duplicating.py`."""

    def frozen(self) -> AbstractContextManager[None]:
        """Let every read of this thread inside the block see one snapshot."""

    def every_ledger(self) -> Iterator[LedgerEntry]:
        """Iterate over all entries of the ledger, in order of their replies."""

    def every_source(self) -> Iterator[tuple[str, SourceState, datetime]]:
        """Iterate over all sources with their scopes and times, in order."""

    def put_sources(self, given: Sequence[tuple[str, SourceState, datetime]]) -> None:
        """Store the states of sources with their times."""
