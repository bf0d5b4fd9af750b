"""This device's own files in the folder: checked, finished after a kill, rewritten, merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path

from lmort_memory.errors import StoreError
from lmort_memory.store.replica.replication import Replication
from lmort_memory.store.replica.state import Changes, OwnBundle
from lmort_memory.sync.folder import BundleFile, Folder, name_of, write_file
from lmort_memory.sync.sealing import Sealer, UnreadableError, read_head

__all__ = ["OwnLog"]

MOST_FILES = 32  # before small ones are merged
SMALL = 1 << 20  # bytes
MERGED = 4 << 20


class OwnLog:
    """The files that this device wrote, and the store's list of them.

    Args:
        replication: The store's list.
        folder: What is there.
        sealer: Encrypts and decrypts.
        name: What people call this device.
    """

    def __init__(
        self, replication: Replication, folder: Folder, sealer: Sealer, *, name: str
    ) -> None:
        self._replication = replication
        self._folder = folder
        self._sealer = sealer
        self._name = name
        self.replica = replication.join()

    @property
    def path(self) -> Path:
        """The folder of this device."""
        return self._folder.path / self.replica.device

    def check(self) -> list[str]:
        """Make the list true again: after a kill, a lost file, or a copy of this database.

        A file that this database did not write was written by a copy of it, under the same id: then
        it becomes another device, and the old one's files are read like anybody's. Only what the
        passphrase opens counts: a damaged or a foreign file makes nobody another device.

        Returns:
            Lines about files that are not this device's.
        """
        listed = {name_of(one): one for one in self._replication.own_bundles()}
        there = {one.path.name: one for one in self._folder.bundles.get(self.replica.device, ())}
        foreign = self._without_foreign(there, listed)
        if foreign is None:
            self.replica = self._replication.part()
            return []
        lost = False
        for name, bundle in listed.items():
            if bundle.state == "intended":
                self._finish(bundle, there.get(name))
            elif bundle.state == "written" and name not in there:
                lost = True
        if lost:
            self._replication.republish()
        for part in self.path.glob(".*.part"):  # what a kill left behind
            part.unlink(missing_ok=True)
        for name, one in there.items():
            if name not in listed:  # a kill came between a rewritten file and the note of it
                one.path.unlink(missing_ok=True)
        return foreign

    def _without_foreign(
        self, there: dict[str, BundleFile], listed: Mapping[str, OwnBundle]
    ) -> list[str] | None:
        """Take out of `there` what this device did not write; None if a copy of it did."""
        known = {one.id for one in listed.values()}
        lines = []
        for name in [name for name, one in there.items() if one.head.id not in known]:
            if (why := self._unreadable(there[name])) is None:
                return None
            del there[name]
            if name not in listed:  # else it is lost, and written again
                lines.append(f"{self.replica.device}/{name} {why}")
        return lines

    def _unreadable(self, file: BundleFile) -> str | None:
        try:
            self._sealer.open(file.path, file.head)
        except UnreadableError as error:
            return str(error)
        return None

    def _finish(self, bundle: OwnBundle, file: BundleFile | None) -> None:
        try:
            if file is not None:
                self._replication.adopt(bundle, self._sealer.open(file.path, file.head))
                return
        except UnreadableError:
            pass
        self._replication.drop(bundle)

    def write(self, bundle: OwnBundle, changes: Changes) -> None:
        """Write a bundle's file.

        Raises:
            StoreError: it cannot be written.
        """
        data = self._sealer.seal(
            replace(changes, name=self._name),
            salt=self._replication.salt(),
            device=self.replica.device,
            first=bundle.first,
            last=bundle.last,
            revision=bundle.revision,
            id=bundle.id,
        )
        write_file(self.path / name_of(bundle), data)

    def tidy(self) -> int:
        """Take forgotten texts out of this device's files, and merge small files.

        Returns:
            How many files were written again.
        """
        forgotten = self._replication.forgotten()
        count = 0
        for bundle in self._replication.outdated():
            new = replace(bundle, revision=bundle.revision + 1)
            count += self._rewrite([bundle], new, forgotten)
        for run in _runs(self._written()):
            merged = OwnBundle(run[0].first, run[-1].last, 0, run[-1].id)
            count += self._rewrite(run, merged, forgotten)
        self._delete_replaced()
        return count

    def _rewrite(self, old: Sequence[OwnBundle], new: OwnBundle, forgotten: Set[str]) -> bool:
        try:
            said = [self._read(one) for one in old]
        except UnreadableError:
            self._replication.republish()  # damaged: everything is written again
            while self._replication.publish(self.write):
                pass
            return False
        changes = _without(_together(said), forgotten)
        self.write(new, changes)
        self._replication.replace(old, new, changes)
        return True

    def _read(self, bundle: OwnBundle) -> Changes:
        path = self.path / name_of(bundle)
        return self._sealer.open(path, read_head(path))

    def _written(self) -> list[tuple[OwnBundle, int]]:
        found = []
        for bundle in self._replication.own_bundles():
            path = self.path / name_of(bundle)
            if bundle.state == "written" and path.exists():
                found.append((bundle, path.stat().st_size))
        return found

    def _delete_replaced(self) -> None:
        """Delete files that say nothing more, those that a replicating tool brought back too."""
        for bundle in self._replication.own_bundles():
            path = self.path / name_of(bundle)
            if bundle.state != "replaced":
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(
                    f"cannot delete {path}: {error.strerror} — check its permissions; it may hold"
                    " what was forgotten"
                ) from error


def _without(changes: Changes, forgotten: Set[str]) -> Changes:
    """Return changes without the texts of forgotten records."""
    return replace(
        changes,
        records=tuple(one for one in changes.records if one.id not in forgotten),
        ledgers=tuple(
            one
            for one in changes.ledgers
            if one.reply_id not in forgotten and forgotten.isdisjoint(one.record_ids)
        ),
    )


def _together(said: Sequence[Changes]) -> Changes:
    """Return what several bundles of one device say; a later state includes an earlier one."""
    return Changes(
        records=tuple({one.id: one for each in said for one in each.records}.values()),
        ledgers=tuple({one.reply_id: one for each in said for one in each.ledgers}.values()),
        forgotten=tuple(dict.fromkeys(id_ for each in said for id_ in each.forgotten)),
        twins=tuple(dict.fromkeys(pair for each in said for pair in each.twins)),
    )


def _runs(bundles: Sequence[tuple[OwnBundle, int]]) -> Iterator[list[OwnBundle]]:
    """Yield neighbouring small files that are worth merging, if there are many."""
    if len(bundles) <= MOST_FILES:
        return
    run: list[OwnBundle] = []
    total = 0
    for bundle, size in bundles:
        if size > SMALL or total + size > MERGED:
            if len(run) > 1:
                yield run
            run, total = [], 0
        if size <= SMALL:
            run.append(bundle)
            total += size
    if len(run) > 1:
        yield run
