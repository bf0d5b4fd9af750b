"""What a sync did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["SyncReport"]


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did.

    Attributes:
        folder: The folder.
        device: This device's id, and the name of its own folder in it.
        devices: How many other devices have written into the folder.
        read: Bundles that were read.
        written: Bundles that were written.
        rewritten: Bundles of this device written again, without what was forgotten since.
        added: Records that are new here.
        changed: Records that changed here.
        forgotten: Records that were forgotten here because another device forgot them.
        ledgers: Ledger entries that are new here.
        conflicts: Ids of records that two devices edited at the same time; the later version holds,
            and the other is in the record's history.
        quoted_by: Ids of records here that repeat some of what another device forgot.
        skipped: Files that were not read, each with the reason; they are tried again next time.
        encoded: Records that got vectors here.
    """

    folder: Path
    device: str
    devices: int
    read: int = 0
    written: int = 0
    rewritten: int = 0
    added: int = 0
    changed: int = 0
    forgotten: int = 0
    ledgers: int = 0
    conflicts: tuple[str, ...] = ()
    quoted_by: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    encoded: int = 0

    @property
    def complete(self) -> bool:
        """Whether every file was read."""
        return not self.skipped
