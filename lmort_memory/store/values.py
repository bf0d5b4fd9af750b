"""The values that a store takes and returns. No SQL here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lmort_memory.errors import ImportFileError
from lmort_memory.text import valid
from lmort_memory.types import JsonValue, Record, ScopeTree

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.types import Encoded

__all__ = [
    "Around",
    "Canaries",
    "DenseMatch",
    "Dumped",
    "Facets",
    "Filter",
    "LedgerEntry",
    "LexicalMatch",
    "Receipt",
    "SessionInfo",
    "SourceChange",
    "SourceState",
    "SpaceInfo",
    "StoreStatus",
    "Stored",
    "Verification",
]


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects records. Every field that is not None narrows; `scope=None` means all scopes.

    `since` (inclusive) and `until` (exclusive) apply to `created_at`; `before` is an exclusive id,
    for paging backwards. `where` holds conditions on the metadata (see
    `lmort_memory.store.filters`). Expired records are excluded unless `expired` is set, and
    outdated ones (see `Memory.supersede`) if `current` is set.
    """

    ids: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    before: str | None = None
    scope: str | ScopeTree | None = None
    session: str | None = None
    role: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    where: Mapping[str, JsonValue] | None = None
    expired: bool = False
    current: bool = False

    def __post_init__(self) -> None:
        """Make every string valid Unicode, like the stored ones."""
        for name in ("scope", "session", "role", "source"):
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, valid(value))
        for name in ("ids", "exclude"):
            if value := getattr(self, name):
                object.__setattr__(self, name, tuple(map(valid, value)))


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of storing one turn: its record, and whether it is new."""

    record: Record
    new: bool


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a record.

    Attributes:
        before: The turns before it in its session, or in its source, in order.
        after: The turns after it, in order.
        linking: Records of other sources that link to its note, if it has no session.
    """

    before: tuple[Record, ...] = ()
    after: tuple[Record, ...] = ()
    linking: tuple[Record, ...] = ()

    @property
    def all(self) -> tuple[Record, ...]:
        """All of them, in this order."""
        return (*self.before, *self.after, *self.linking)


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
    """A source when it was last completely imported; a new `digest` means that it changed."""

    uri: str
    digest: str
    size_bytes: int = 0
    modified_ns: int = 0


@dataclass(frozen=True, slots=True)
class SourceChange:
    """What importing a source again did to its records.

    `error`, if any, ended its turns early: the turns before it are stored and nothing is deleted.
    """

    added: int
    kept: int
    removed: int
    error: ImportFileError | None = None


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
class Facets:
    """The number of records: in total, by scope and by role; and of their sessions."""

    total: int
    scopes: Mapping[str, int]
    roles: Mapping[str, int]
    sessions: int

    @classmethod
    def of(cls, counted: Iterable[tuple[str, str, int]], sessions: int) -> Self:
        """Add up the counts of each scope and role."""
        scopes: Counter[str] = Counter()
        roles: Counter[str] = Counter()
        for scope, role, n in counted:
            scopes[scope] += n
            roles[role] += n
        return cls(sum(scopes.values()), dict(scopes), dict(roles), sessions)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Which records a reply was given, with a payload from the caller.

    `created_at` is when it was stored; None means now.
    """

    reply_id: str
    session: str | None
    record_ids: tuple[str, ...]
    payload: Mapping[str, JsonValue] = field(default_factory=dict)
    created_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Dumped:
    """A record with everything that an export needs to restore it exactly.

    Attributes:
        record: The record.
        origin: The digest that keeps its content unique, or None.
        vectors: Its vectors by space; empty if they were not requested.
        history: Its earlier versions, oldest first.
    """

    record: Record
    origin: bytes | None
    vectors: Mapping[str, Encoded] = field(default_factory=dict)
    history: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a forget removed.

    Attributes:
        records: Number of deleted records.
        vectors: Number of their vectors.
        history: Number of their earlier versions.
        ledger: Number of ledger entries that named them.
        states: Number of saved chat states that may have held them.
        verified: Whether the texts are gone from every file. False if another process kept old
            pages in use (the next `forget`, `compact` or open finishes the cleaning), or if
            `quoted_by` names records.
        quoted_by: Ids of other records that repeat some of the texts, such as a reply that quotes
            them; at most 100. They stay until they are forgotten too.
        limits: What this store cannot promise, in sentences for people; a server has logs and
            replicas that it cannot reach. `verified` is False then.
    """

    records: int = 0
    vectors: int = 0
    history: int = 0
    ledger: int = 0
    states: int = 0
    verified: bool = True
    quoted_by: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Canaries:
    """Vectors of the fixed texts of `lmort_memory.memory.canaries` in one space.

    Attributes:
        vectors: As they were when the space's vectors were made, float32 (texts, dim).
        checked_by: What computed when they were last compared.
        cosine: The smallest cosine of that comparison.
        renewed_upto: While a drifted space is encoded again: the last id that is done.
    """

    vectors: NDArray[np.float32]
    checked_by: str
    cosine: float
    renewed_upto: str | None = None


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Sizes and counts for display; `token_bytes` is the part of `size_bytes` for token codes.

    `url` names a database on a server, without its password; `path` is then where this computer
    keeps files about it.
    """

    path: Path
    schema: int
    records: int
    sources: int
    size_bytes: int
    index_bytes: int
    spaces: tuple[SpaceInfo, ...]
    token_bytes: int = 0
    url: str | None = None

    @property
    def place(self) -> str:
        """Where the database is, for people."""
        return self.url or str(self.path)


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of `verify`: what is damaged, and how many records are readable."""

    problems: tuple[str, ...]
    readable: int

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems
