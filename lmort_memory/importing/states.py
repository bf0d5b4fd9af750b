"""The state of a source: what tells whether it has changed since it was stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime

from lmort_memory.importers import FoundFile, file_uri
from lmort_memory.store.clock import to_us
from lmort_memory.store.values import SourceState
from lmort_memory.types import Turn

__all__ = ["file_state", "part_state", "source_uri"]

_MAX_INTEGER = 2**63 - 1  # of a column; the year 2262 in nanoseconds


def file_state(file: FoundFile, digest: str) -> SourceState:
    """Return the state of a file whose content has this hash."""
    stat = file.path.stat()
    modified_ns = min(max(stat.st_mtime_ns, -_MAX_INTEGER), _MAX_INTEGER)
    return SourceState(file_uri(file.path), digest, stat.st_size, modified_ns)


def part_state(uri: str, turns: list[Turn], changed: datetime | None) -> SourceState:
    """Return the state of one source of a file, dated by `changed`, else by its last turn."""
    changed = changed or max((turn.created_at for turn in turns if turn.created_at), default=None)
    return SourceState(uri, _digest(turns), modified_ns=_nanoseconds(changed))


def source_uri(turn: Turn) -> str:
    """Name the source of a turn."""
    return turn.source.uri if turn.source else ""


def _nanoseconds(when: datetime | None) -> int:
    """Return a time in the form that the store compares; 0 if unknown."""
    return 0 if when is None else min(max(to_us(when) * 1000, -_MAX_INTEGER), _MAX_INTEGER)


def _digest(turns: Iterable[Turn]) -> str:
    """Hash the turns of one source, so that next month's export shows what is new."""
    digest = hashlib.sha256()
    for turn in turns:
        when = turn.created_at and turn.created_at.isoformat()
        parts = [turn.role, turn.session, when, dict(turn.metadata), turn.text]
        digest.update(json.dumps(parts, sort_keys=True).encode())
    return digest.hexdigest()
