"""The records of a memory: read, changed, replaced, forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Unpack

from lmort_memory.errors import RecordNotFoundError
from lmort_memory.memory.checks import id_of
from lmort_memory.memory.conditions import Conditions, to_filter, to_forget
from lmort_memory.memory.encoding import Encoding
from lmort_memory.memory.items import changed
from lmort_memory.redaction import Redactor
from lmort_memory.store.protocol import Store
from lmort_memory.store.values import Receipt
from lmort_memory.text import valid
from lmort_memory.times import check_time
from lmort_memory.types import Turn

if TYPE_CHECKING:
    from lmort_memory.types import JsonValue, Record

__all__ = ["MemoryRecords"]


class MemoryRecords:
    """Part of `Memory`: what is stored, record by record."""

    store: Store
    redactor: Redactor | None
    _encoding: Encoding

    def get(self, record_id: str) -> Record:
        """Return a record.

        Raises:
            RecordNotFoundError: there is none, or it has expired.
        """
        record_id = valid(record_id)
        found = self.store.get([record_id])
        if record_id not in found:
            raise RecordNotFoundError(record_id)
        return found[record_id]

    def records(
        self, *, after: str | None = None, **conditions: Unpack[Conditions]
    ) -> Iterator[Record]:
        """Iterate over records in order of id, each once, even while others write.

        `after` continues after an id; use it with `itertools.islice` for stable pages. The
        conditions are those of `recall`; without any, all records of all scopes are returned,
        including outdated ones.
        """
        chosen = to_filter(conditions, call="records", include_superseded=True)
        return self.store.records(chosen, after=None if after is None else valid(after))

    def update(
        self,
        record_id: str,
        text: str | None = None,
        *,
        metadata: Mapping[str, JsonValue] | None = None,
        expires_at: datetime | None = None,
    ) -> Record:
        """Change a record, keep its old version as history, and encode a new text.

        Arguments that are None leave the field unchanged.

        Raises:
            RecordNotFoundError: there is none, or it has expired.
            ValueError: a text of only white space, metadata that is not JSON, or a naive time.
        """
        old = self.get(record_id)
        turn = changed(old, text=text, metadata=metadata, expires_at=expires_at)
        new = self.store.update(record_id, self.cleaned(turn))
        if new.text != old.text:
            self._encoding.encode([new])
        return new

    def supersede(
        self, old: str | Record, new: str | Record, *, at: datetime | None = None
    ) -> Record:
        """Replace one record by another; nothing is deleted.

        The old one is valid until `at`, the new one from then on. `recall` leaves the old one out
        unless called with `include_superseded=True`, and a chat passes it to its model as the
        earlier state.

        Args:
            old: The outdated record, or its id.
            new: The record that replaces it, or its id.
            at: Since when; None takes the time when the new one was said.

        Returns:
            The updated old record.

        Raises:
            RecordNotFoundError: one of them does not exist.
            ValueError: a record would replace itself, or the time is naive.
        """
        if at is not None:
            check_time("at", at)
        return self.store.supersede(id_of(old), id_of(new), at=at)[0]

    def predecessors(self, ids: Iterable[str]) -> dict[str, list[Record]]:
        """Return the records that each of these has replaced, the latest first."""
        return self.store.predecessors(ids)

    def history(self, record_id: str) -> list[Record]:
        """Return the versions of a record, oldest first, the current one last.

        Raises:
            RecordNotFoundError: there is none.
        """
        return self.store.history(valid(record_id))

    def forget(
        self,
        ids: str | Iterable[str] | None = None,
        **conditions: Unpack[Conditions],
    ) -> Receipt:
        """Delete records and every trace of them; returns what was removed.

        The conditions are those of `recall`, and a record must meet all of them. Without `scope`,
        all scopes are searched; outdated records are included.

        Raises:
            ValueError: no ids and no condition, or a `where` that matches every record.
        """
        return self.store.forget(to_forget(ids, conditions))

    def cleaned(self, turn: Turn) -> Turn:
        """Return a turn as it will be stored: without secrets, if this memory redacts."""
        return turn if self.redactor is None else self.redactor.clean(turn)
