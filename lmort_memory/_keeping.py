"""The part of `Memory` that minds what is stored: read, change, forget, carry elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lmort_memory._encoding import Encoding
from lmort_memory._transfer import export_records, restore_records, salvage_records
from lmort_memory.errors import RecordNotFoundError
from lmort_memory.store.values import Filter, Receipt, Store
from lmort_memory.types import Turn

if TYPE_CHECKING:
    from lmort_memory.types import Encoder, JsonValue, Progress, Record

__all__ = ["Keeping"]


class Keeping:
    """A store, and the encoders at hand for it; `Memory` adds to it and asks it."""

    def __init__(
        self, encoder: Encoder | None, store: Store, *, previous: Sequence[Encoder]
    ) -> None:
        self.encoder = encoder
        self.store = store
        self._encoding = Encoding(encoder, store, previous=previous)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End background work and close the database; harmless when repeated."""
        self._encoding.close()
        self.store.close()

    def get(self, record_id: str) -> Record:
        """Return a record.

        Raises:
            RecordNotFoundError: there is none, or it has expired.
        """
        found = self.store.get([record_id])
        if record_id not in found:
            raise RecordNotFoundError(record_id)
        return found[record_id]

    def records(
        self,
        *,
        scope: str | None = None,
        session: str | None = None,
        role: str | None = None,
        where: Mapping[str, JsonValue] | None = None,
        after: str | None = None,
    ) -> Iterator[Record]:
        """Iterate over records in order of id, each once, even while others write.

        `after` continues behind an id, which makes stable pages with `itertools.islice`.
        """
        chosen = Filter(scope=scope, session=session, role=role, where=where)
        return self.store.records(chosen, after=after)

    def update(
        self,
        record_id: str,
        text: str | None = None,
        *,
        metadata: Mapping[str, JsonValue] | None = None,
        expires_at: datetime | None = None,
    ) -> Record:
        """Change a record, keep its old version as history, and encode a new text.

        What is None stays as it was.

        Raises:
            RecordNotFoundError: there is none, or it has expired.
            ValueError: a text of white space, metadata that is not JSON, or a naive time.
        """
        old = self.get(record_id)
        turn = Turn(
            text=old.text if text is None else text,
            role=old.role,
            scope=old.scope,
            session=old.session,
            # A note of no time and place is stored once whenever it is added: see `origin_of`.
            created_at=old.created_at if old.session or old.source else None,
            metadata=old.metadata if metadata is None else metadata,
            source=old.source,
            expires_at=old.expires_at if expires_at is None else expires_at,
        )
        new = self.store.update(record_id, turn)
        if new.text != old.text:
            self._encoding.encode([new])
        return new

    def history(self, record_id: str) -> list[Record]:
        """Return the versions of a record, oldest first, the present one last.

        Raises:
            RecordNotFoundError: there is none.
        """
        return self.store.history(record_id)

    def forget(
        self,
        ids: str | Iterable[str] | None = None,
        *,
        scope: str | None = None,
        session: str | None = None,
        source: str | None = None,
        where: Mapping[str, JsonValue] | None = None,
    ) -> Receipt:
        """Delete records and every trace of them; returns what was removed.

        Conditions narrow each other down; all scopes are meant unless one is named.

        Raises:
            ValueError: no condition at all, which would be everything.
        """
        chosen_ids = (ids,) if isinstance(ids, str) else ids if ids is None else tuple(ids)
        chosen = Filter(
            ids=chosen_ids, scope=scope, session=session, source=source, where=where, expired=True
        )
        if chosen == Filter(expired=True):
            raise ValueError("forget needs ids or a condition; found none, which means everything")
        return self.store.forget(chosen)

    def export(self, path: str | Path, *, vectors: bool = False, scope: str | None = None) -> int:
        """Write records to a new JSONL file, mode 0600, that `restore` reads; returns how many.

        Args:
            path: The file; it must not exist.
            vectors: With their vectors, which takes 4 bytes a number instead of encoding again.
            scope: Only this scope; None is all.

        Raises:
            StoreError: the file exists or cannot be written.
        """
        return export_records(self.store, Path(path).expanduser(), scope=scope, vectors=vectors)

    def salvage(self, path: str | Path, *, scope: str | None = None) -> int:
        """Write what can be read of a damaged database to a new file, as `export` does.

        Vectors stay behind; `restore` brings the records into a new database. Returns how many.

        Raises:
            StoreError: the file exists or cannot be written.
        """
        return salvage_records(self.store, Path(path).expanduser(), scope=scope)

    def restore(self, path: str | Path, *, progress: Progress | None = None) -> int:
        """Bring back what `export` wrote, ids and times included; returns how many were new.

        Records that are there are kept as they are. Each batch is on disk before the next is read.

        Raises:
            ImportFileError: the file cannot be read, or a line of it is not a record.
        """
        return restore_records(self.store, Path(path).expanduser(), progress=progress)

    def backup(self, path: str | Path) -> None:
        """Copy the database to a new file while it is in use.

        Raises:
            StoreError: the file exists, its folder does not, or it cannot be written.
        """
        self.store.backup(Path(path).expanduser())
