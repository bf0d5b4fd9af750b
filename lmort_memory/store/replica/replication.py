"""What sync needs of a store, on one SQLite file."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from lmort_memory.errors import StoreError
from lmort_memory.paths import beside
from lmort_memory.store.clock import from_us, now_us
from lmort_memory.store.connection import Database
from lmort_memory.store.locks import try_lock
from lmort_memory.store.replica import applying, log, twins
from lmort_memory.store.replica.state import Changes, Merged, OwnBundle, Peer, Replica
from lmort_memory.store.values import Filter, Receipt

__all__ = ["Replication", "forget_identity"]

SALT_BYTES = 16
READ = "SELECT device, seq, folder, synced_at, recording FROM replica"
# Files of this device that hold texts of forgotten records.
OUTDATED = """
SELECT DISTINCT b.first, b.last, b.revision, b.id FROM bundles b
JOIN bundled t ON t.seq BETWEEN b.first AND b.last JOIN tombstones ON tombstones.id = t.id
WHERE b.state = 'written' ORDER BY b.last
"""
# Ledger entries that arrived after the records they name were forgotten, under another id perhaps.
LEDGERS = """
DELETE FROM ledger WHERE reply_id IN (
    SELECT reply_id FROM ledger_records WHERE record_id IN (SELECT id FROM tombstones))
"""
STATE = "UPDATE bundles SET state = ?"
IS = "WHERE first = ? AND last = ? AND revision = ?"


def forget_identity(connection: sqlite3.Connection) -> None:
    """Make a copy of a database a device of its own; its changes still wait to be published."""
    connection.execute("UPDATE replica SET device = NULL, salt = NULL, first = 1, seq = 0")
    connection.execute("DELETE FROM bundles")
    connection.execute("DELETE FROM bundled")


class Replication:
    """The changes of one database, for other devices, and theirs for it. Thread-safe.

    Args:
        database: The file.
        forget: Deletes records and every trace of them.
    """

    def __init__(self, database: Database, forget: Callable[[Filter], Receipt]) -> None:
        self._database = database
        self._forget = forget

    def replica(self) -> Replica | None:
        """Return this database among its devices; None before its first sync."""
        with self._database.snapshot() as connection:
            device, seq, folder, synced_at, _ = connection.execute(READ).fetchone()
            if device is None:
                return None
            peers = connection.execute("SELECT device, name, seq, read_at FROM peers ORDER BY name")
            return Replica(
                device=device,
                seq=seq,
                folder=folder,
                synced_at=None if synced_at is None else from_us(synced_at),
                waiting=log.waiting(connection),
                peers=tuple(
                    Peer(device=id_, name=name, seq=last, read_at=from_us(read_at))
                    for id_, name, last, read_at in peers
                ),
            )

    def join(self) -> Replica:
        """Make this database a device, if it is none yet, and note its changes from now on."""
        with self._database.write("sync") as connection:
            device, *_, recording = connection.execute(READ).fetchone()
            if device is None:
                new = (secrets.token_hex(8), secrets.token_bytes(SALT_BYTES))
                connection.execute("UPDATE replica SET device = ?, salt = ?", new)
            if not recording:
                connection.execute("UPDATE replica SET recording = 1")
                log.begin(connection)
        replica = self.replica()
        assert replica is not None  # it has just been made
        return replica

    def salt(self) -> bytes:
        """Return what this device's keys are derived with."""
        with self._database.read() as connection:
            (salt,) = connection.execute("SELECT salt FROM replica").fetchone()
        return bytes(salt)

    def part(self) -> Replica:
        """Become another device and publish everything: a copy of this database is the old one."""
        with self._database.write("sync") as connection:
            forget_identity(connection)
            log.everything(connection)
        return self.join()

    def merge(
        self,
        changes: Changes,
        *,
        device: str,
        seq: int,
        spaces: Collection[str] | None = None,
    ) -> Merged:
        """Merge a bundle of a device; in one transaction, with the note that it was read.

        What it forgets is deleted by `settle`.

        Args:
            changes: What it says.
            device: Whose it is.
            seq: Its number.
            spaces: Spaces whose vectors are kept; None keeps all.
        """
        with self._database.write("sync") as connection:
            merged = applying.apply(connection, changes, spaces=spaces)
            connection.execute(
                "INSERT INTO peers VALUES (?, ?, ?, ?) ON CONFLICT (device) DO UPDATE SET"
                " name = excluded.name, seq = max(seq, excluded.seq), read_at = excluded.read_at",
                (device, changes.name, seq, now_us()),
            )
        return merged

    def settle(self) -> Receipt:
        """Delete what any device has forgotten, and every trace of it."""
        with self._database.write("forget in") as connection:
            twins.close(connection)
            connection.execute(LEDGERS)
            dead = connection.execute(
                "SELECT id FROM records WHERE id IN (SELECT id FROM tombstones)"
            ).fetchall()
        if not dead:
            return Receipt()
        return self._forget(Filter(ids=tuple(id_ for (id_,) in dead), expired=True))

    def publish(self, write: Callable[[OwnBundle, Changes], None]) -> bool:
        """Write waiting changes as one bundle; False if none wait.

        The number is reserved first, so that it is never used twice, whatever a kill leaves.

        Args:
            write: Writes the file, and returns when it is on disk.
        """
        bundle = self._reserve()
        if bundle is None:
            return False
        with self._database.write("sync") as connection:
            changes = log.collect(connection)
            write(bundle, changes)
            log.published(connection, changes, bundle.last)
            self._written(connection, bundle)
        return True

    def _reserve(self) -> OwnBundle | None:
        with self._database.write("sync") as connection:
            log.stamp(connection)
            if not log.waiting(connection):
                return None
            first, last = connection.execute("SELECT first, seq + 1 FROM replica").fetchone()
            bundle = OwnBundle(first, last, 0, secrets.token_hex(8), "intended")
            connection.execute("UPDATE replica SET seq = ?", (last,))
            self._insert(connection, bundle)
            return bundle

    def own_bundles(self) -> list[OwnBundle]:
        """Return the files of this device's log, oldest first."""
        with self._database.read() as connection:
            return log.own_bundles(connection)

    def adopt(self, bundle: OwnBundle, changes: Changes) -> None:
        """Note that an intended file is there: a kill came between it and the note."""
        with self._database.write("sync") as connection:
            log.note_bundled(connection, changes, bundle.last)
            self._written(connection, bundle)

    def drop(self, bundle: OwnBundle) -> None:
        """Note that an intended file is not there, and is to be deleted if it turns up."""
        with self._database.write("sync") as connection:
            connection.execute(f"{STATE} {IS}", ("replaced", *_key(bundle)))

    def republish(self) -> None:
        """Let everything wait to be published again: files of this device's log are missing."""
        with self._database.write("sync") as connection:
            log.everything(connection)

    def outdated(self) -> list[OwnBundle]:
        """Return the files of this device's log that hold texts of forgotten records."""
        with self._database.read() as connection:
            return [OwnBundle(*row) for row in connection.execute(OUTDATED)]

    def forgotten(self) -> frozenset[str]:
        """Return the ids of all forgotten records."""
        with self._database.read() as connection:
            return frozenset(id_ for (id_,) in connection.execute("SELECT id FROM tombstones"))

    def replace(self, old: Sequence[OwnBundle], new: OwnBundle, changes: Changes) -> None:
        """Note that one file says what several said, without what was forgotten."""
        with self._database.write("sync") as connection:
            for bundle in old:
                connection.execute(f"{STATE} {IS}", ("replaced", *_key(bundle)))
            span = (new.first, new.last)
            connection.execute("DELETE FROM bundled WHERE seq BETWEEN ? AND ?", span)
            log.note_bundled(connection, changes, new.last)
            self._insert(connection, new)

    def synced(self, folder: str) -> None:
        """Note when and where this device was last synced."""
        with self._database.write("sync") as connection:
            connection.execute("UPDATE replica SET folder = ?, synced_at = ?", (folder, now_us()))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other syncs of this database out.

        Raises:
            StoreError: one is running, or the database is read-only.
        """
        path = self._database.path
        if self._database.read_only:
            raise StoreError(f"cannot sync {path}: it is read-only — copy it to a writable folder")
        with try_lock(beside(path, "-sync")) as free:
            if not free:
                raise StoreError(f"cannot sync {path}: another sync of it is running — wait for it")
            yield

    def _insert(self, connection: sqlite3.Connection, bundle: OwnBundle) -> None:
        row = (*_key(bundle), bundle.id, bundle.state)
        connection.execute("INSERT INTO bundles VALUES (?, ?, ?, ?, ?)", row)

    def _written(self, connection: sqlite3.Connection, bundle: OwnBundle) -> None:
        connection.execute(f"{STATE} {IS}", ("written", *_key(bundle)))
        connection.execute("UPDATE replica SET first = max(first, ?)", (bundle.last + 1,))


def _key(bundle: OwnBundle) -> tuple[int, int, int]:
    return bundle.first, bundle.last, bundle.revision
