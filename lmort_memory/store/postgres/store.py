"""PostgresStore: a `Store` in a PostgreSQL database with pgvector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmort_memory.closing import Closing
from lmort_memory.errors import StoreError
from lmort_memory.paths import data_dir
from lmort_memory.store.postgres import deleting, ledgers, schema, sources, upkeep, vectors
from lmort_memory.store.postgres.address import parse_address
from lmort_memory.store.postgres.connection import Server, marked
from lmort_memory.store.postgres.filters import condition_of
from lmort_memory.store.postgres.keeping import PostgresRecords
from lmort_memory.store.postgres.moving import PostgresMoving
from lmort_memory.store.postgres.nearest import NearestSearch
from lmort_memory.store.postgres.order import PostgresOrder
from lmort_memory.store.postgres.words import WordSearch
from lmort_memory.store.records import rows
from lmort_memory.store.values import (
    DenseMatch,
    Filter,
    LedgerEntry,
    LexicalMatch,
    Receipt,
    SourceChange,
    SourceState,
    SpaceInfo,
    StoreStatus,
    Verification,
)
from lmort_memory.store.vectors import tokens
from lmort_memory.store.words.tokenizer import query_terms

if TYPE_CHECKING:
    from lmort_memory.types import Encoded, Progress, Record, TokenCodes, Turn

__all__ = ["PostgresStore", "check_server"]

PENDING = """
AND NOT EXISTS (SELECT 1 FROM vectors v
                WHERE v.n = r.n AND v.s = (SELECT s FROM spaces WHERE name = %s))
"""


class PostgresStore(PostgresRecords, PostgresOrder, PostgresMoving, Closing):
    """Records, words and vectors in one schema of a database; safe for threads and processes.

    Args:
        url: `postgresql://USER@HOST/DATABASE`, with libpq's parameters and ours: `scope` (the only
            scope to see, enforced by row-level security), `schema`, `pool_size`.
        graph_from: Number of vectors in a space above which an HNSW index is kept. Below it, and
            while the index is being built, every search is exact.

    Raises:
        MissingDependencyError: the extra `postgres` is not installed.
        StoreError: the database cannot be reached, has a newer schema, lacks pgvector, or would
            not keep `scope` apart from others.
    """

    def __init__(self, url: str, *, graph_from: int = 20_000) -> None:
        self._address = parse_address(url)
        self._server = Server(self._address)
        try:
            self._owner = self._prepare()
        except BaseException:
            self._server.close()
            raise
        self._words = WordSearch(restricted=not self._owner)
        self._nearest = NearestSearch(self._server, graph_from=graph_from, builds=self._owner)

    def close(self) -> None:
        """Close the connections; calling it again does nothing."""
        self._nearest.close()
        self._server.close()

    def dense(
        self, space: str, vector: NDArray[np.float32], chosen: Filter, *, limit: int
    ) -> list[DenseMatch]:
        """Rank records by the cosine of their best chunk.

        Raises:
            SpaceMismatchError: the vector's width is not the space's.
        """
        return self._nearest.search(space, vector, chosen, limit=limit)

    def lexical(self, query: str, chosen: Filter, *, limit: int) -> list[LexicalMatch]:
        """Rank records by BM25 of any of the query's words; any text is a valid query."""
        terms = query_terms(query)
        if not terms:
            return []
        condition = condition_of(chosen)
        return self._server.read("search", lambda c: self._words.search(c, terms, condition, limit))

    def vectors(self, space: str, ids: Iterable[str]) -> dict[str, Encoded]:
        """Return the stored vectors of records by id: float32 with float16 precision."""
        wanted = list(ids)
        return self._server.read("read", lambda c: vectors.read_vectors(c, space, wanted))

    def token_codes(self, space: str, ids: Iterable[str]) -> dict[str, TokenCodes]:
        """Return token codes by id, leaving out records with a chunk that has none."""
        wanted = list(ids)
        return self._server.read("read", lambda c: vectors.read_tokens(c, space, wanted))

    def put_vectors(self, space: str, records: Sequence[Record], encoded: Sequence[Encoded]) -> int:
        """Store vectors of records, skipping records that were changed or deleted meanwhile.

        Raises:
            ValueError: there is not one Encoded per record, or a vector is not finite.
            SpaceMismatchError: the vectors' width is not the space's.
        """
        return self._server.write(
            "add to", lambda c: vectors.put_vectors(c, space, records, encoded)
        )

    def pending(self, space: str, *, limit: int, after: str | None = None) -> list[Record]:
        """Return records without vectors in the space, in order of id."""
        return self._waiting(PENDING, [space], limit=limit, after=after)

    def lacking_tokens(
        self, space: str, kind: str, *, limit: int, after: str | None = None
    ) -> list[Record]:
        """Return records with vectors in the space but no token codes of a kind, by id."""
        return self._waiting(
            f"AND {marked(tokens.LACKING)}", [space, kind], limit=limit, after=after
        )

    def drop_tokens(self, space: str) -> int:
        """Delete the token codes of a space; returns how many chunks had some."""
        sql = marked(tokens.DROP)
        return self._server.write(
            "drop token codes of", lambda c: int(c.execute(sql, [space]).rowcount)
        )

    def spaces(self) -> list[SpaceInfo]:
        """Return every space in use, oldest first."""
        return self._server.read("read", lambda c: vectors.list_spaces(c, every=self._owner))

    def space_names(self) -> list[str]:
        """Return the names of all spaces, those of other scopes too, without counting."""
        return self._server.read("read", vectors.list_names)

    def drop_space(self, space: str) -> int:
        """Delete the vectors of a space; returns how many."""
        count = self._server.write(
            "drop a space of", lambda c: vectors.drop_space(c, space, entirely=self._owner)
        )
        self._nearest.forget_spaces()
        return count

    def build_index(self, *, progress: Progress | None = None) -> None:
        """Build the missing HNSW indexes now instead of in the background."""
        self._nearest.build(progress)

    def source_state(self, uri: str, *, scope: str) -> SourceState | None:
        """Return the state of a completely imported source, or None."""
        return self._server.read("read", lambda c: sources.source_state(c, uri, scope=scope))

    def sources(self, *, scope: str) -> list[SourceState]:
        """Return every completely imported source, in order of URI."""
        return self._server.read("read", lambda c: sources.list_sources(c, scope=scope))

    def replace_source(
        self,
        state: SourceState,
        turns: Iterable[Turn],
        *,
        scope: str,
        progress: Progress | None = None,
    ) -> SourceChange:
        """Make the records of a source equal to `turns`."""
        return sources.replace_source(self._server, state, turns, scope=scope, progress=progress)

    def add_ledger(self, entry: LedgerEntry) -> None:
        """Store which records a reply was given, replacing an earlier entry of that reply."""
        scope = self._address.scope
        self._server.write("add to", lambda c: ledgers.add(c, entry, tenant=scope))

    def ledgers(
        self,
        *,
        record_id: str | None = None,
        session: str | None = None,
        limit: int | None = None,
    ) -> list[LedgerEntry]:
        """Return the latest entries of a session or that name a record, oldest first.

        Without a limit, all of them.
        """
        return self._server.read(
            "read", lambda c: ledgers.latest(c, record_id=record_id, session=session, limit=limit)
        )

    def state_path(self, session: str) -> Path | None:
        """Return None: a chat's state would stay on this computer when the server forgets."""
        return None

    def quoting(self, chosen: Filter) -> list[str]:
        """Return the ids of other records that quote the chosen ones."""
        return self._server.snapshot("read", lambda c: deleting.quoted_by_others(c, chosen))

    def forget(self, chosen: Filter) -> Receipt:
        """Delete records; the receipt says what a server cannot promise."""
        return deleting.forget(self._server, chosen, vacuums=self._owner)

    def sweep(self) -> Receipt:
        """Forget expired records."""
        return deleting.sweep(self._server, vacuums=self._owner)

    def compact(self) -> None:
        """Vacuum every table and index, and index all words as this version does.

        Others can read and write meanwhile.
        """
        if self._owner:
            upkeep.reindex(self._server)
            deleting.vacuum(self._server, indexes=True)

    def status(self) -> StoreStatus:
        """Return sizes and counts."""
        name = blake2b(self._address.shown.encode(), digest_size=8).hexdigest()
        path = data_dir() / f"postgresql-{name}"
        found = self.spaces()
        return self._server.snapshot(
            "read", lambda c: upkeep.status(c, path, self._address.shown, found)
        )

    def verify(self) -> Verification:
        """Check that the tables agree with each other, and count the records."""
        return self._server.snapshot("verify", upkeep.verify)

    def readable_records(self) -> Iterator[Record]:
        """Iterate over all records; PostgreSQL itself reports damaged pages."""
        return self.records(Filter(expired=True))

    def backup(self, target: Path) -> None:
        """Copy one snapshot of everything to a new SQLite database.

        Raises:
            StoreError: the target exists, or cannot be written.
        """
        upkeep.backup(self, target)

    def _prepare(self) -> bool:
        """Migrate and look at our privileges; returns whether we see everything."""
        found = self._server.read("open", lambda c: schema.refuse_other(c, self._address))
        if found < schema.VERSION:
            self._server.write("migrate", lambda c: schema.migrate(c, self._address))
        owner = self._server.read("open", schema.is_owner)
        if self._address.scope is not None and owner:
            raise StoreError(
                f"cannot open {self._address.shown}: row-level security does not apply to this"
                " role, so scope= would not keep others' records apart — connect as a role that"
                " does not own the tables and is not a superuser: docs/postgres.md, “Tenants”"
            )
        return owner

    def _waiting(
        self, condition: str, values: Sequence[object], *, limit: int, after: str | None
    ) -> list[Record]:
        sql = (
            f"SELECT {rows.COLUMNS} FROM records r WHERE r.id > %s {condition}"
            " ORDER BY r.id LIMIT %s"
        )
        given = [after or "", *values, limit]
        return self._server.read(
            "read", lambda c: [rows.to_record(row) for row in c.execute(sql, given)]
        )


def check_server(url: str) -> None:
    """Check that a database can be opened, and change nothing.

    Raises:
        MissingDependencyError: the extra `postgres` is not installed.
        StoreError: it cannot be reached, or has a newer schema.
    """
    address = parse_address(url)
    with closing(Server(address)) as server:
        server.read("open", lambda c: schema.refuse_other(c, address))
