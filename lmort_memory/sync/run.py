"""One sync: read what is new, forget what was forgotten, write what changed here, tidy up.

Each bundle is merged, and each one written, in one transaction with the note that it was. A kill at
any point loses nothing: the next sync goes on there.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lmort_memory.errors import PassphraseError
from lmort_memory.store.replica.replication import Replication
from lmort_memory.store.replica.state import Changes
from lmort_memory.store.values import Receipt
from lmort_memory.sync.folder import BundleFile, Folder
from lmort_memory.sync.own_log import OwnLog
from lmort_memory.sync.report import SyncReport
from lmort_memory.sync.sealing import Head, Sealer, UnreadableError
from lmort_memory.types import Progress

__all__ = ["synchronise"]

PER_BUNDLE = 500  # an estimate of the records in a bundle, for progress


@dataclass(slots=True)
class _Tally:
    """What was done so far; `total` is an estimate for progress."""

    progress: Progress | None
    total: int = 0
    read: int = 0
    written: int = 0
    added: int = 0
    ledgers: int = 0
    changed: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)
    skipped: list[str] = field(default_factory=list)

    def tell(self) -> None:
        done = self.read + self.written
        if self.progress is not None:
            self.progress(done, max(self.total, done))


def synchronise(
    replication: Replication,
    folder: Path,
    passphrase: str,
    *,
    spaces: Collection[str] | None = None,
    clean: Callable[[Changes], Changes] | None = None,
    progress: Progress | None = None,
) -> SyncReport:
    """Exchange changes with other devices through a folder.

    Args:
        replication: This device's changes.
        folder: A folder that is replicated between the devices; it must exist.
        passphrase: The same on every device.
        spaces: Spaces whose vectors are kept; None keeps all.
        clean: Called with each bundle's changes before they are merged.
        progress: Called with the number of bundles done and the total.

    Raises:
        PassphraseError: the passphrase is empty or wrong.
        MissingDependencyError: the extra `sync` is not installed.
        StoreError: the folder cannot be read or written, or another sync of this database runs.
    """
    sealer = Sealer(passphrase)
    with replication.alone():
        found = Folder.scan(folder)
        _check_passphrase(replication, found, sealer)
        own = OwnLog(replication, found, sealer, name=platform.node())
        strange = own.check()
        tally = _Tally(progress, skipped=[*found.skipped, *strange])
        others = found.others(own.replica.device)
        seqs = _positions(replication)
        tally.total = sum(_unread(found, device, seqs.get(device, 0)) for device in others)
        tally.total += -(-own.replica.waiting // PER_BUNDLE)
        for device in others:
            _read_device(replication, found, sealer, device, tally, spaces, clean)
        receipt = replication.settle()
        while replication.publish(own.write):
            tally.written += 1
            tally.tell()
        rewritten = own.tidy()
        replication.synced(str(folder.absolute()))
        return _report(found, own, tally, receipt, rewritten)


def _report(
    folder: Folder, own: OwnLog, tally: _Tally, receipt: Receipt, rewritten: int
) -> SyncReport:
    return SyncReport(
        folder=folder.path,
        device=own.replica.device,
        devices=len(folder.others(own.replica.device)),
        read=tally.read,
        written=tally.written,
        rewritten=rewritten,
        added=tally.added,
        changed=len(tally.changed),
        forgotten=receipt.records,
        ledgers=tally.ledgers,
        conflicts=tuple(sorted(tally.conflicts)),
        quoted_by=receipt.quoted_by,
        skipped=tuple(tally.skipped),
    )


def _positions(replication: Replication) -> dict[str, int]:
    replica = replication.replica()
    return {} if replica is None else {peer.device: peer.seq for peer in replica.peers}


def _unread(folder: Folder, device: str, seq: int) -> int:
    return sum(one.head.last > seq for one in folder.bundles[device])


def _check_passphrase(replication: Replication, folder: Folder, sealer: Sealer) -> None:
    """Try the passphrase on what is there, before anything is written.

    Each device tried costs one scrypt, so of several the first that fits is enough.

    Raises:
        PassphraseError: this device's bundles, or all others, were written with another one.
    """
    replica = replication.replica()
    written = {device: files for device, files in folder.bundles.items() if files}

    def fits(files: Iterable[BundleFile]) -> bool:
        return any(map(sealer.fits, _keys(files)))

    if replica is not None and replica.device in written:
        if not fits(written[replica.device]):
            raise PassphraseError(
                f"the passphrase is wrong: this device wrote to {folder.path} with another one — to"
                f" change it, delete {folder.path / replica.device}, and sync"
            )
    elif written and not any(map(fits, written.values())):
        raise PassphraseError(
            f"the passphrase is wrong: the bundles in {folder.path} were written with another one"
        )


def _keys(files: Iterable[BundleFile]) -> Iterable[Head]:
    """Return a header for each key that a device has used: one, if nothing is damaged."""
    return {(file.head.salt, file.head.check): file.head for file in files}.values()


def _read_device(
    replication: Replication,
    folder: Folder,
    sealer: Sealer,
    device: str,
    tally: _Tally,
    spaces: Collection[str] | None,
    clean: Callable[[Changes], Changes] | None,
) -> None:
    """Merge a device's bundles in order, up to the first that cannot be read."""
    seq = _positions(replication).get(device, 0)
    unread = dict(folder.unread[device])
    while (file := folder.next_of(device, seq, unread)) is not None:
        changes = _open(sealer, file, unread)
        if changes is None:
            continue
        merged = replication.merge(
            changes if clean is None else clean(changes),
            device=device,
            seq=file.head.last,
            spaces=spaces,
        )
        seq = file.head.last
        tally.read += 1
        tally.added += merged.added
        tally.changed |= merged.changed
        tally.conflicts |= merged.conflicts
        tally.ledgers += merged.ledgers
        tally.tell()
    tally.skipped += [f"{device}/{name} {why}" for name, why in unread.items()]
    if waiting := folder.later(device, seq):
        tally.skipped.append(
            f"{device}: bundle {seq + 1} has not arrived or cannot be read; {waiting} later ones"
            " wait for it"
        )


def _open(sealer: Sealer, file: BundleFile, unread: dict[str, str]) -> Changes | None:
    try:
        return sealer.open(file.path, file.head)
    except UnreadableError as error:
        unread[file.path.name] = str(error)
        return None
