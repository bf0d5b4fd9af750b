"""Small files, stored many at a time: each transaction waits for the disk."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from lmort_memory.errors import StoreError
from lmort_memory.importers import FoundFile
from lmort_memory.store.protocol import SourcesTogether, Store
from lmort_memory.store.values import SourceChange, SourceState
from lmort_memory.types import Turn

__all__ = ["SmallFiles"]

_MAX_BYTES = 256 * 1024  # of a file; a larger one is stored alone, batch by batch
_MAX_FILES, _MAX_TURNS, _MAX_WAIT_S = 250, 500, 1.0  # as many turns as any other transaction has


@dataclass(slots=True)
class SmallFiles:
    """Files that were read and not stored yet."""

    _files: list[tuple[FoundFile, SourceState, list[Turn]]] = field(default_factory=list)
    _turns: int = 0
    _since: float = 0.0

    def fits(self, file: FoundFile) -> bool:
        """Whether a file is small, and its turns replace those that it had."""
        own_way = file.format.restores or file.format.appends
        return not own_way and file.size_bytes <= _MAX_BYTES

    def add(self, file: FoundFile, state: SourceState, turns: list[Turn]) -> None:
        """Take in a file with all its turns."""
        if not self._files:
            self._since = time.monotonic()
        self._files.append((file, state, turns))
        self._turns += len(turns)

    @property
    def are_enough(self) -> bool:
        """Whether it is time to store them."""
        waited = time.monotonic() - self._since
        return len(self._files) >= _MAX_FILES or self._turns >= _MAX_TURNS or waited >= _MAX_WAIT_S

    def take(
        self, store: Store, *, scope: str
    ) -> list[tuple[FoundFile, SourceState, list[Turn], SourceChange | None]]:
        """Store the files together and forget them here.

        Each comes with its change; None for all of them if this store cannot, or if it rejects one.
        """
        files, self._files, self._turns = self._files, [], 0
        changes: list[SourceChange | None] = [None] * len(files)
        if len(files) > 1 and isinstance(store, SourcesTogether):
            try:
                pairs = [(state, turns) for _, state, turns in files]
                changes = list(store.replace_sources(pairs, scope=scope))
            except (StoreError, ValueError, OverflowError):
                pass  # the same error comes again for the file that causes it
        return [(*one, change) for one, change in zip(files, changes, strict=True)]
