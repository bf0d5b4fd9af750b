"""Folders that a server watches beside its other work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmort_memory.importing import WatchReport
    from lmort_memory.memory import Memory

__all__ = ["WatchedFolders"]


class WatchedFolders:
    """Keeps a memory in sync with folders, in a thread of its own, from now until `close`.

    Args:
        memory: The memory to update; keep it open until `close` has returned.
        folders: Must exist now.
        scope: Scope for the turns.
        report: Called with every change and error, in that thread.

    Raises:
        ImportFileError: a folder is missing.
        MissingDependencyError: watchfiles is not installed.
    """

    def __init__(
        self,
        memory: Memory,
        folders: Sequence[Path],
        *,
        scope: str,
        report: Callable[[WatchReport], None] | None = None,
    ) -> None:
        from lmort_memory.importing import Heartbeat, Watcher

        watcher = Watcher(
            memory,
            folders,
            scope=scope,
            report=report,
            heartbeat=Heartbeat(memory.status().store.path),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=watcher.run, args=(self._stop,), name="lmort-watch", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End after the file that is being read."""
        self._stop.set()
        self._thread.join()
