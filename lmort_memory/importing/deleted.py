"""Sources whose files were deleted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lmort_memory.importers import ScanReport
from lmort_memory.types import DEFAULT_SCOPE

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

__all__ = ["find_deleted", "is_below", "prune"]


def find_deleted(memory: Memory, scan: ScanReport, *, scope: str = DEFAULT_SCOPE) -> list[str]:
    """Return the sources below the scanned folders whose file was deleted.

    Files in an unreadable folder do not count as deleted. Nor does anything below a scanned folder
    without any files: it looks like an unmounted disk.
    """
    roots = [
        root for root in scan.roots if any(is_below(str(file.path), root) for file in scan.files)
    ]
    return [
        state.uri
        for state in memory.store.sources(scope=scope)
        if any(is_below(state.uri, root) for root in roots)
        and not any(is_below(state.uri, folder) for folder in scan.unseen)
        and not os.path.lexists(state.uri)
    ]


def prune(memory: Memory, sources: Iterable[str], *, scope: str = DEFAULT_SCOPE) -> int:
    """Forget everything that came from the sources; returns the number of turns."""
    return sum(memory.forget(scope=scope, source=uri).records for uri in sources)


def is_below(path: str, folder: str) -> bool:
    """Whether a path leads into a folder."""
    return path.startswith(os.path.join(folder, ""))  # noqa: PTH118  adds the separator
