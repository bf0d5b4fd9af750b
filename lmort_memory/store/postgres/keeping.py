"""Records and their versions: stored once, read, changed, replaced, exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from lmort_memory.store.paging import PAGE, Row, pages
from lmort_memory.store.postgres import moving, records
from lmort_memory.store.postgres.address import Address
from lmort_memory.store.postgres.connection import Connection, Server, fetching, pipelined
from lmort_memory.store.postgres.filters import condition_of
from lmort_memory.store.postgres.ledgers import restore as restore_ledger
from lmort_memory.store.postgres.vectors import list_spaces, put_added
from lmort_memory.store.records import rows
from lmort_memory.store.values import Dumped, Filter, LedgerEntry, Stored

if TYPE_CHECKING:
    from lmort_memory.types import Encoded, Record, Turn

__all__ = ["PostgresRecords"]


class PostgresRecords:
    """Part of `PostgresStore`: see `lmort_memory.store.protocol.Records`."""

    _address: Address
    _owner: bool
    _server: Server

    def add(
        self,
        turns: Sequence[Turn],
        *,
        space: str | None = None,
        encoded: Sequence[Encoded] | None = None,
    ) -> list[Stored]:
        """Store turns in one transaction; the same content from the same origin is stored once.

        `encoded` holds the vectors of all turns, in the space `space`; without it the records are
        pending. An existing record keeps its vectors.

        Raises:
            ValueError: the metadata is not valid JSON, or there is not one Encoded per turn.
            SpaceMismatchError: the vectors' width is not the space's.
        """
        given = [(rows.new_record(turn), rows.origin_of(turn)) for turn in turns]
        anew = [rows.origin_of(turn) for turn in turns if rows.says_anew(turn)]

        def work(connection: Connection) -> list[Stored]:
            with pipelined(connection):
                stored, placed = records.add(connection, given, anew=anew)
                if encoded is not None and space is not None:
                    put_added(connection, space, stored, placed, encoded)
            return stored

        return self._server.write("add to", work)

    def get(self, ids: Iterable[str]) -> dict[str, Record]:
        """Return the records that exist and have not expired, by id, in the order of `ids`."""
        wanted = tuple(ids)
        if not wanted:
            return {}
        condition, values = condition_of(Filter(ids=wanted))
        sql = f"SELECT {rows.COLUMNS} FROM records r WHERE {condition}"
        page = self._server.read("read", fetching(sql, values))
        found = {row[1]: rows.to_record(row) for row in page}
        return {id_: found[id_] for id_ in wanted if id_ in found}

    def update(self, record_id: str, turn: Turn) -> Record:
        """Replace text, role, metadata and expiry of a record; the old version becomes history.

        Raises:
            RecordNotFoundError: no record has the id.
        """
        return self._server.write("update", lambda c: records.update(c, record_id, turn))

    def set_expiry(self, ids: Sequence[str], expires_at: datetime | None) -> int:
        """Change when records expire, without a new version; returns how many were changed."""
        return self._server.write("change", lambda c: records.set_expiry(c, ids, expires_at))

    def history(self, record_id: str) -> list[Record]:
        """Return the versions of a record, oldest first; the current one is last.

        Raises:
            RecordNotFoundError: no record has the id.
        """
        return self._server.snapshot("read", lambda c: records.history(c, record_id))

    def supersede(
        self, old_id: str, new_id: str, *, at: datetime | None = None
    ) -> tuple[Record, Record]:
        """Replace one record by another from `at` on; returns both after the change."""
        return self._server.write("update", lambda c: records.supersede(c, old_id, new_id, at))

    def predecessors(self, ids: Iterable[str]) -> dict[str, list[Record]]:
        """Return the records that each of these has replaced, latest first."""
        wanted = list(ids)
        return self._server.read("read", lambda c: records.predecessors(c, wanted))

    def superseded(self, chosen: Filter, *, limit: int) -> dict[str, str]:
        """Return the ids of the latest replaced records, and of those that replaced them last."""
        condition = condition_of(chosen)
        return self._server.read("read", lambda c: records.superseded(c, condition, limit))

    def records(self, chosen: Filter, *, after: str | None = None) -> Iterator[Record]:
        """Iterate in order of id, starting after `after`; concurrent writes repeat no record."""
        for page in self._pages(chosen, after):
            yield from map(rows.to_record, page)

    def dump(self, chosen: Filter, *, vectors: bool = False) -> Iterator[Dumped]:
        """Iterate like `records`, with what `restore` needs."""
        every = self._owner
        spaces = self._server.read("read", lambda c: list_spaces(c, every=every)) if vectors else []
        names = [space.name for space in spaces]
        for page in self._pages(chosen, None):
            yield from self._server.read("export", partial(moving.dump, page=page, names=names))

    def restore(self, dumped: Sequence[Dumped], *, ledgers: Sequence[LedgerEntry] = ()) -> int:
        """Import exported records and ledger entries under their ids; returns how many records."""
        scope = self._address.scope

        def work(connection: Connection) -> int:
            for entry in ledgers:
                restore_ledger(connection, entry, tenant=scope)
            return moving.restore(connection, dumped)

        return self._server.write("import into", work)

    def _pages(self, chosen: Filter, after: str | None) -> Iterator[list[Row]]:
        condition, values = condition_of(chosen)
        sql = (
            f"SELECT {rows.COLUMNS} FROM records r WHERE r.id > %s AND {condition}"
            f" ORDER BY r.id LIMIT {PAGE}"
        )

        def read(last: Sequence[object]) -> list[Row]:
            return self._server.read("read", fetching(sql, [*last, *values]))

        return pages(read, [after or ""], slice(1, 2))
