"""What devices exchange, as values: records with all their versions, ledgers, tombstones, twins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from lmort_memory.types import JsonValue

if TYPE_CHECKING:
    from lmort_memory.types import Encoded

__all__ = [
    "PARTS",
    "Changes",
    "LedgerState",
    "Merged",
    "OwnBundle",
    "Part",
    "Peer",
    "RecordState",
    "Replica",
    "Version",
]

PARTS = ("place", "begin", "end")
"""The parts of a record that are last-writer-wins registers, each with its own stamp.

`place` is (created_at, source start, source end), `begin` (valid_from,), `end` (valid_to,
superseded_by). Times are microseconds since 1970.
"""

Value: TypeAlias = "tuple[int | str | None, ...]"


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a record's text.

    `at` is the record's `updated_at` in microseconds and a hybrid logical clock: an edit takes the
    present, or a microsecond after the version that it replaces, whichever is later. Metadata (as
    JSON) and expiry can change without a new version, on import for one: `stamped` and `device` say
    when and where they last did, 0 and "" if never.
    """

    at: int
    role: str
    text: str
    metadata: str
    expires: int | None
    stamped: int = 0
    device: str = ""

    @property
    def key(self) -> tuple[int, str, str]:
        """The version's identity and its rank; equal only for the same words at the same time.

        No device id is needed: two devices that began as copies of one database share versions, and
        different texts are told apart by themselves.
        """
        return self.at, self.role, self.text

    @property
    def detail(self) -> tuple[int, str, str, int]:
        """The order in which metadata and expiry of the same version win."""
        return self.stamped, self.device, self.metadata, self.expires or 0


@dataclass(frozen=True, slots=True)
class Part:
    """A register: its value, and when and on which device it was last written.

    A part that was never changed has the stamp (0, "").
    """

    at: int
    device: str
    value: Value

    @property
    def rank(self) -> tuple[int, str, str]:
        """The order in which registers win; ties by device id, then by value."""
        return self.at, self.device, json.dumps(self.value)


@dataclass(frozen=True, slots=True)
class RecordState:
    """A record with everything that merges.

    Attributes:
        id: Its id.
        scope: Its scope; like session and URI it never changes.
        session: Its session.
        uri: The URI of its source.
        versions: Every version, oldest first; the last one is current.
        parts: The registers named by `PARTS`.
        origin: The digest that keeps its content unique, if it has one.
        vectors: Vectors of the current text by space.
    """

    id: str
    scope: str
    session: str | None
    uri: str | None
    versions: tuple[Version, ...]
    parts: Mapping[str, Part]
    origin: bytes | None = field(default=None, compare=False)
    vectors: Mapping[str, Encoded] = field(default_factory=dict, compare=False)

    @property
    def current(self) -> Version:
        """The version that holds."""
        return self.versions[-1]


@dataclass(frozen=True, slots=True)
class LedgerState:
    """A ledger entry with the time of its reply."""

    reply_id: str
    session: str | None
    at: int
    record_ids: tuple[str, ...]
    payload: Mapping[str, JsonValue]

    @property
    def rank(self) -> tuple[int, str]:
        """The order in which entries of one reply win."""
        return self.at, json.dumps(self.payload, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one bundle says; merging it twice, or in another order, changes nothing.

    Attributes:
        records: States of records.
        ledgers: Ledger entries.
        forgotten: Ids of forgotten records, for ever.
        twins: Pairs of ids of the same content, stored on two devices; the smaller id is second.
        name: What people call the device.
    """

    records: tuple[RecordState, ...] = ()
    ledgers: tuple[LedgerState, ...] = ()
    forgotten: tuple[str, ...] = ()
    twins: tuple[tuple[str, str], ...] = ()
    name: str = ""

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return bool(self.records or self.ledgers or self.forgotten or self.twins)


@dataclass(frozen=True, slots=True)
class Merged:
    """What merging did here.

    Attributes:
        added: Records that are new.
        changed: Ids of records that changed.
        conflicts: Ids of records that two devices had edited without knowing of each other.
        ledgers: Ledger entries that are new.
    """

    added: int = 0
    changed: frozenset[str] = frozenset()
    conflicts: frozenset[str] = frozenset()
    ledgers: int = 0


@dataclass(frozen=True, slots=True)
class OwnBundle:
    """A file of this device's log: it covers the numbers `first` to `last`.

    Attributes:
        first: The first number that it covers.
        last: The last one.
        revision: How often it was written again, without what was forgotten since.
        id: Random; a file of this device with another id was written by a copy of this database.
        state: "intended" until the file is known to be there, then "written"; "replaced" where the
            file is to be deleted, however often a tool brings it back.
    """

    first: int
    last: int
    revision: int
    id: str
    state: str = "written"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another device: its id, its name, the last of its bundles that was read, and when."""

    device: str
    name: str
    seq: int
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Replica:
    """This database among its devices.

    Attributes:
        device: This device's id.
        seq: The number of its last bundle.
        folder: The folder it last exchanged bundles through.
        synced_at: When.
        waiting: Changes that no bundle holds yet.
        peers: The other devices.
    """

    device: str
    seq: int
    folder: str | None
    synced_at: datetime | None
    waiting: int
    peers: tuple[Peer, ...]
