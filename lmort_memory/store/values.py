"""The values that the store takes and gives, and the Protocol that every store fulfils.

Nothing here knows SQL: another store (PostgreSQL, say) would speak in these very values and pass
`lmort_memory.testing.check_store`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lmort_memory.types import JsonValue, Progress, Record, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.types import Encoded

__all__ = [
    "DenseMatch",
    "Dumped",
    "Filter",
    "LedgerEntry",
    "LexicalMatch",
    "Receipt",
    "SessionInfo",
    "SourceChange",
    "SourceState",
    "SpaceInfo",
    "Store",
    "StoreStatus",
    "Stored",
    "Verification",
]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are meant; every field that is not None narrows, and `scope=None` is all.

    `since` is inclusive, `until` exclusive, both on `created_at`. `where` holds conditions on the
    metadata (see `lmort_memory.store.filters`). Expired records are left out unless `expired`, and
    with `current` those that hold no longer (see `Memory.supersede`).
    """

    ids: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    scope: str | None = None
    session: str | None = None
    role: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    where: Mapping[str, JsonValue] | None = None
    expired: bool = False
    current: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one turn: its record, and whether it is new (else it was there already)."""

    record: Record
    new: bool


@dataclass(frozen=True, slots=True)
class DenseMatch:
    """A record in the dense ranking: the cosine and the span of its best chunk."""

    id: str
    score: float
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class LexicalMatch:
    """A record in the lexical ranking: BM25, higher is better."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class SourceState:
    """What was known of a source when it was last stored whole; `digest` decides on change."""

    uri: str
    digest: str
    size_bytes: int = 0
    modified_ns: int = 0


@dataclass(frozen=True, slots=True)
class SourceChange:
    """What storing a source again did to its records."""

    added: int
    kept: int
    removed: int


@dataclass(frozen=True, slots=True)
class SpaceInfo:
    """One space of vectors: how many chunks it holds and how many records lack it."""

    name: str
    dim: int
    vectors: int
    pending: int
    indexed: int


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session: its first record, how many turns it has, and when the last was said."""

    first: Record
    turns: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Which records a reply was given, and what its maker wants to keep about that."""

    reply_id: str
    session: str | None
    record_ids: tuple[str, ...]
    payload: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dumped:
    """A record with what an export needs to bring it back exactly.

    Attributes:
        record: The record.
        origin: The digest under which it is stored once, or None.
        vectors: Its vectors by space, or nothing if they were not asked for.
    """

    record: Record
    origin: bytes | None
    vectors: Mapping[str, Encoded] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a forget removed. `verified` says that no byte of the texts was found afterwards.

    `verified` is False where another process kept old pages in use; the cleaning is then finished
    by the next `forget`, `compact` or open.
    """

    records: int = 0
    vectors: int = 0
    history: int = 0
    ledger: int = 0
    states: int = 0
    verified: bool = True


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Sizes and counts, for people."""

    path: Path
    schema: int
    records: int
    sources: int
    size_bytes: int
    index_bytes: int
    spaces: tuple[SpaceInfo, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of `verify`: what is damaged, and how many records can still be read."""

    problems: tuple[str, ...]
    readable: int

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems


class Store(Protocol):
    """Records with their vectors and words. Safe for several threads and processes.

    What a method has returned is on disk. All scores are higher for better; rankings are sorted,
    best first, and hold a record once.
    """

    def add(
        self,
        turns: Sequence[Turn],
        *,
        space: str | None = None,
        encoded: Sequence[Encoded] | None = None,
    ) -> list[Stored]:
        """Store turns in one transaction; the same content of the same origin is stored once."""

    def restore(self, dumped: Sequence[Dumped]) -> int:
        """Bring exported records back under their ids; those there are kept; returns how many."""

    def dump(self, chosen: Filter, *, vectors: bool = False) -> Iterator[Dumped]:
        """Iterate like `records`, with what `restore` needs."""

    def get(self, ids: Iterable[str]) -> dict[str, Record]:
        """Return the records that exist and have not expired, by id."""

    def update(self, record_id: str, turn: Turn) -> Record:
        """Replace text, role, metadata and expiry of a record; the old version is history."""

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

    def latest(self, chosen: Filter, *, limit: int) -> list[Record]:
        """Return the records that were stored last, the newest at the end."""

    def sessions(self, chosen: Filter, *, limit: int) -> list[SessionInfo]:
        """Return the sessions that were spoken in last, the newest at the end."""

    def around(self, record_id: str, n: int) -> list[Record]:
        """Return the `n` turns before and the `n` after a record in its session, in order."""

    def followers(self, ids: Sequence[str], chosen: Filter) -> dict[str, str]:
        """Return the turn after each of these in its session, where it is one of the chosen."""

    def dense(
        self, space: str, vector: NDArray[np.float32], chosen: Filter, *, limit: int
    ) -> list[DenseMatch]:
        """Rank records by the cosine of their best chunk."""

    def lexical(self, query: str, chosen: Filter, *, limit: int) -> list[LexicalMatch]:
        """Rank records by BM25; any text is a query."""

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

    def add_ledger(self, entry: LedgerEntry) -> None:
        """Keep which records a reply was given."""

    def ledger(self, reply_id: str) -> LedgerEntry | None:
        """Return what was kept for a reply."""

    def ledgers(
        self, *, record_id: str | None = None, session: str | None = None, limit: int
    ) -> list[LedgerEntry]:
        """Return the latest entries that name a record, or that are of a session, oldest first."""

    def state_path(self, session: str) -> Path | None:
        """Return where a chat may save a session's state; None where this store keeps no files."""

    def forget(self, chosen: Filter) -> Receipt:
        """Delete records and every trace of them."""

    def status(self) -> StoreStatus:
        """Return sizes and counts."""

    def sweep(self) -> Receipt:
        """Forget what has expired."""

    def compact(self) -> None:
        """Give back the space of what was deleted."""

    def build_index(self, *, progress: Progress | None = None) -> None:
        """Bring the caches of every space up to date now instead of in the background."""

    def verify(self) -> Verification:
        """Look for damage, and count what can be read."""

    def readable_records(self) -> Iterator[Record]:
        """Iterate over what can be read of a damaged store, stepping over the rest."""

    def backup(self, target: Path) -> None:
        """Copy everything to a new file while others read and write."""

    def close(self) -> None:
        """Let go of the files; harmless when repeated."""
