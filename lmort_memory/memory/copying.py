"""A memory as a whole: exported, backed up, restored, and kept alike on several devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lmort_memory.errors import ImportFileError
from lmort_memory.memory.encoding import Encoding
from lmort_memory.memory.syncing import sync_memory
from lmort_memory.memory.transfer import (
    export_records,
    refuse_plain,
    restore_records,
    restoring,
    salvage_records,
)
from lmort_memory.paths import expanded
from lmort_memory.redaction import Redactor
from lmort_memory.store.protocol import Store

if TYPE_CHECKING:
    from lmort_memory.sync import SyncReport
    from lmort_memory.types import Progress

__all__ = ["MemoryCopies"]


class MemoryCopies:
    """Part of `Memory`: all of it, in files and on other devices."""

    store: Store
    redactor: Redactor | None
    _encoding: Encoding

    def export(
        self,
        path: str | Path,
        *,
        vectors: bool = False,
        scope: str | None = None,
        plain: bool = False,
    ) -> int:
        """Write records to a new JSONL file, mode 0600, that `restore` reads; returns how many.

        Args:
            path: The file; it must not exist.
            vectors: Include the vectors (4 bytes per number), which saves encoding again.
            scope: Only this scope; None for all.
            plain: Required for an encrypted memory, because anyone can read an export.

        Raises:
            StoreError: the file exists or cannot be written, or `plain` is missing.
        """
        refuse_plain(self.store, plain=plain)
        return export_records(self.store, expanded(path), scope=scope, vectors=vectors)

    def salvage(self, path: str | Path, *, scope: str | None = None, plain: bool = False) -> int:
        """Write what can be read of a damaged database to a new file, as `export` does.

        Vectors are not included. `restore` reads the file into a new database. Returns how many
        records were written.

        Raises:
            StoreError: the file exists or cannot be written.
        """
        refuse_plain(self.store, plain=plain)
        return salvage_records(self.store, expanded(path), scope=scope)

    def restore(self, path: str | Path, *, progress: Progress | None = None) -> int:
        """Restore what `export` or `backup` wrote, including ids and times.

        Returns how many records were new; existing ones stay unchanged. Each batch is on disk
        before the next is read.
        The file may be gzipped.

        Raises:
            ImportFileError: the file cannot be read, or some lines are not records; all others were
                restored.
        """
        place = expanded(path)
        done = restore_records(restoring(self.store, self.redactor), place, progress=progress)
        if done.damage:
            raise ImportFileError(done.describe(place), path=str(place))
        return done.new

    def sync(
        self,
        folder: str | Path,
        *,
        passphrase: str,
        defer: bool = False,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Exchange changes with the same memory on other devices, through a folder.

        Any tool may replicate the folder. What this device has changed since the last sync is
        written there, encrypted; what others have written is merged, in whatever order it arrives.
        Forgetting wins, for ever and on every device. If two devices edit a record at the same
        time, the later version holds and the other is in its history. Vectors travel where the
        space is the same. Needs the extra `sync`.

        Args:
            folder: The folder; it must exist. Each device writes only to its own part of it.
            passphrase: The same on every device; nobody can read the folder without it.
            defer: Leave missing vectors to `encode_pending`.
            progress: Called with the number of bundles done and the total, then with the number of
                records encoded.

        Raises:
            PassphraseError: the passphrase is wrong; nothing was changed.
            StoreError: the folder cannot be read or written, another sync of this database runs,
                or it is not an SQLite database.
        """
        report = sync_memory(
            self.store,
            expanded(folder),
            passphrase,
            space=self._encoding.space,
            redactor=self.redactor,
            progress=progress,
        )
        encoded = 0 if defer else self._encoding.catch_up(progress=progress)
        return replace(report, encoded=encoded)

    def backup(self, path: str | Path) -> None:
        """Copy the database to a new file while it is in use.

        Raises:
            StoreError: the file exists, its folder does not, or it cannot be written.
        """
        self.store.backup(expanded(path))
