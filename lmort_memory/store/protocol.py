"""What every store can do, in parts: any class with these methods is a `Store`.

    Store = Records + Order + Rankings + Vectors + Sources + Conversations + Upkeep

A store of another kind (PostgreSQL, say) speaks in the values of `values.py` and passes
`lmort_memory.testing.check_store`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from lmort_memory.store.values import (
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

    from lmort_memory.types import Encoded

__all__ = ["Store", "TokenCodesKeeper"]


class Records(Protocol):
    """Records and their versions: stored, read, changed, carried elsewhere."""

    def add(
        self,
        turns: Sequence[Turn],
        *,
        space: str | None = None,
        encoded: Sequence[Encoded] | None = None,
    ) -> list[Stored]:
        """Store turns in one transaction; the same content of the same origin is stored once."""

    def get(self, ids: Iterable[str]) -> dict[str, Record]:
        """Return the records that exist and have not expired, by id."""

    def update(self, record_id: str, turn: Turn) -> Record:
        """Replace text, role, metadata and expiry of a record; the old version is history."""

    def set_expiry(self, ids: Sequence[str], expires_at: datetime | None) -> int:
        """Change when records expire, without a new version; returns how many there were."""

    def history(self, record_id: str) -> list[Record]:
        """Return the versions of a record, oldest first, the present one last."""

    def supersede(
        self, old_id: str, new_id: str, *, at: datetime | None = None
    ) -> tuple[Record, Record]:
        """Let one record take the place of another; returns both as they are then."""

    def predecessors(self, ids: Iterable[str]) -> dict[str, list[Record]]:
        """Return the records whose place each of these has taken, the latest first."""

    def records(self, chosen: Filter, *, after: str | None = None) -> Iterator[Record]:
        """Iterate in order of id over a stable view, from behind the id `after`."""

    def dump(self, chosen: Filter, *, vectors: bool = False) -> Iterator[Dumped]:
        """Iterate like `records`, with what `restore` needs."""

    def restore(self, dumped: Sequence[Dumped]) -> int:
        """Bring exported records back under their ids; those there are kept; returns how many."""


class Order(Protocol):
    """The order in which records were stored and spoken."""

    def latest(self, chosen: Filter, *, limit: int) -> list[Record]:
        """Return the records that were stored last, the newest at the end."""

    def sessions(self, chosen: Filter, *, limit: int) -> list[SessionInfo]:
        """Return the sessions that were spoken in last, the newest at the end."""

    def facets(self, chosen: Filter) -> Facets:
        """Count the chosen records by scope and by role."""

    def around(self, record_id: str, n: int) -> list[Record]:
        """Return the `n` turns before and the `n` after a record in its session, in order."""

    def followers(self, ids: Sequence[str], chosen: Filter) -> dict[str, str]:
        """Return the turn after each of these in its session, where it is one of the chosen."""


class Rankings(Protocol):
    """Records ranked for a question. Higher scores are better; best first, each record once."""

    def dense(
        self, space: str, vector: NDArray[np.float32], chosen: Filter, *, limit: int
    ) -> list[DenseMatch]:
        """Rank records by the cosine of their best chunk."""

    def lexical(self, query: str, chosen: Filter, *, limit: int) -> list[LexicalMatch]:
        """Rank records by BM25; any text is a query."""


class Vectors(Protocol):
    """Vectors by space. Spaces are never mixed in one distance."""

    def vectors(self, space: str, ids: Iterable[str]) -> dict[str, Encoded]:
        """Return the stored vectors of records, float16 accuracy, by id."""

    def put_vectors(self, space: str, records: Sequence[Record], encoded: Sequence[Encoded]) -> int:
        """Give records their vectors; those changed or gone meanwhile are passed over."""

    def pending(self, space: str, *, limit: int, after: str | None = None) -> list[Record]:
        """Return records without vectors in the space, in order of id."""

    def spaces(self) -> list[SpaceInfo]:
        """Return every space that holds vectors."""

    def drop_space(self, space: str) -> int:
        """Delete the vectors of a space; returns how many."""

    def build_index(self, *, progress: Progress | None = None) -> None:
        """Bring the caches of every space up to date now instead of in the background."""


@runtime_checkable
class TokenCodesKeeper(Protocol):
    """What a store may have besides, for late interaction.

    A store that keeps `Encoded.tokens` returns them in `vectors`; without these methods, codes are
    made for new records only.
    """

    def lacking_tokens(
        self, space: str, kind: str, *, limit: int, after: str | None = None
    ) -> list[Record]:
        """Return records with vectors in the space but no token codes of a kind, by id."""

    def drop_tokens(self, space: str) -> int:
        """Delete the token codes of a space; returns of how many chunks."""


class Sources(Protocol):
    """Files and exports that were stored whole."""

    def source_state(self, uri: str, *, scope: str) -> SourceState | None:
        """Return what is known of a source that was stored whole."""

    def sources(self, *, scope: str) -> list[SourceState]:
        """Return every source that was stored whole, in order of URI."""

    def replace_source(
        self,
        state: SourceState,
        turns: Iterable[Turn],
        *,
        scope: str,
        progress: Progress | None = None,
    ) -> SourceChange:
        """Make the records of a source equal to `turns`; unchanged ones stay as they are."""


class Conversations(Protocol):
    """What a chat keeps beside its turns."""

    def add_ledger(self, entry: LedgerEntry) -> None:
        """Keep which records a reply was given."""

    def ledgers(
        self, *, record_id: str | None = None, session: str | None = None, limit: int
    ) -> list[LedgerEntry]:
        """Return the latest entries that name a record, or that are of a session, oldest first."""

    def state_path(self, session: str) -> Path | None:
        """Return where a chat may save a session's state; None where this store keeps no files."""


class Upkeep(Protocol):
    """Forgetting, sizes, damage, copies."""

    def quoting(self, chosen: Filter) -> list[str]:
        """Return the ids of other records that repeat some of what the chosen ones say."""

    def forget(self, chosen: Filter) -> Receipt:
        """Delete records and every trace of them."""

    def sweep(self) -> Receipt:
        """Forget what has expired."""

    def compact(self) -> None:
        """Give back the space of what was deleted."""

    def status(self) -> StoreStatus:
        """Return sizes and counts."""

    def verify(self) -> Verification:
        """Look for damage, and count what can be read."""

    def readable_records(self) -> Iterator[Record]:
        """Iterate over what can be read of a damaged store, stepping over the rest."""

    def backup(self, target: Path) -> None:
        """Copy everything to a new file while others read and write."""

    def close(self) -> None:
        """Let go of the files; harmless when repeated."""


class Store(Records, Order, Rankings, Vectors, Sources, Conversations, Upkeep, Protocol):
    """Records with their vectors and words. Safe for several threads and processes.

    What a method has returned is on disk.
    """
