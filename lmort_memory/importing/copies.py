"""Copies of one source in one file: an export may hold a conversation twice, as of two days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lmort_memory.importing.states import source_uri
from lmort_memory.types import Turn

__all__ = ["Copies", "Copy"]


@dataclass(frozen=True, slots=True, eq=False)
class Copy:
    """One state of a source; equal to itself only, however alike two of them are.

    Attributes:
        uri: The source.
        changed: When this copy was last changed, where the export says.
    """

    uri: str
    changed: datetime | None


class Copies:
    """Tells which copy of a source a turn belongs to.

    A reader dates a copy before it gives the copy's first turn, and one entry holds the date of
    each source: a turn must be asked about before the next one is read.
    """

    def __init__(self, dates: dict[str, datetime | None]) -> None:
        self._dates = dates
        self._copy: Copy | None = None

    def of(self, turn: Turn) -> Copy:
        """Return the copy of a turn that was just read; the turns of one have the same object."""
        uri = source_uri(turn)
        if self._copy is None or self._copy.uri != uri or uri in self._dates:
            self._copy = Copy(uri, self._dates.pop(uri, None))
        return self._copy
