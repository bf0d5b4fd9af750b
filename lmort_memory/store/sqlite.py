"""SQLiteStore: a `Store` in one SQLite file with caches beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmort_memory.closing import Closing
from lmort_memory.errors import StoreError
from lmort_memory.paths import beside, expanded, located
from lmort_memory.store import schema, upkeep
from lmort_memory.store.connection import Database
from lmort_memory.store.converting import clear_killed
from lmort_memory.store.deleting.forget import Purger, state_path
from lmort_memory.store.encryption import Key
from lmort_memory.store.filters import compile_filter
from lmort_memory.store.records import ledgers, rows, sources
from lmort_memory.store.records.keeping import SQLiteRecords
from lmort_memory.store.records.moving import SQLiteMoving
from lmort_memory.store.records.order import SQLiteOrder
from lmort_memory.store.replica.replication import Replication
from lmort_memory.store.unlocking import unlock
from lmort_memory.store.values import (
    Canaries,
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
from lmort_memory.store.vectors import spaces, tokens
from lmort_memory.store.vectors.canaries import read_canaries, renewed_upto, write_canaries
from lmort_memory.store.vectors.search import DenseSearch
from lmort_memory.store.words import search as words
from lmort_memory.store.words.tokenizer import query_terms

if TYPE_CHECKING:
    from lmort_memory.types import Encoded, Progress, Record, TokenCodes, Turn

__all__ = ["SQLiteStore"]

PENDING = """
AND NOT EXISTS (SELECT 1 FROM vectors v
                WHERE v.n = r.n AND v.s = (SELECT s FROM spaces WHERE name = ?))
"""


class SQLiteStore(SQLiteRecords, SQLiteOrder, SQLiteMoving, Closing):
    """Records, words and vectors in one file; safe for several threads and processes.

    Args:
        path: The database. It is created, with its folder, if it does not exist. Symbolic links
            are followed; files beside the database lie beside the file itself.
        graph_from: Number of vectors in a space above which an approximate index is kept. Below it,
            and while the index is being built, every search is exact.
        key: The passphrase of an encrypted database, or the key that `unlock` made of it. A new
            file is encrypted with it.
        read_only: Change nothing, and do not finish the work of an interrupted process. A file that
            is not writable is always opened like this.

    Raises:
        PassphraseError: the database is encrypted and the key is missing or wrong, or it is not.
        MissingDependencyError: there is a key, and SQLCipher (the extra `encrypt`) is missing.
        StoreError: the file is another program's, has a newer schema, or cannot be opened. It was
            not touched.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        key: str | Key | None = None,
        graph_from: int = 20_000,
        read_only: bool = False,
    ) -> None:
        if str(path) == ":memory:":
            raise StoreError(
                "an in-memory database would be lost at the end, with everything added to it — name"
                " a file, in a temporary folder if it need not last"
            )
        self.path = located(path)
        unlocked = unlock(self.path, key, create=not read_only)
        named = Path(os.path.abspath(expanded(path)))  # noqa: PTH100  links are not followed
        self._database = Database(self.path, named=named, key=unlocked, read_only=read_only)
        self._dense = DenseSearch(self._database, graph_from=graph_from)
        self._purger = Purger(self._database, self._dense)
        try:
            if not self._database.read_only:
                clear_killed(self.path, encrypted=unlocked is not None)
                self._purger.finish()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; calling it again does nothing."""
        self._dense.close()
        self._database.close()

    def readable_records(self) -> Iterator[Record]:
        """Iterate over the readable records of a damaged file."""
        return upkeep.readable_records(self._database)

    def prepare(self, space: str) -> None:
        """Begin to read the vectors of a space for the first search, and return at once."""
        self._dense.prepare(space)

    def dense(
        self, space: str, vector: NDArray[np.float32], chosen: Filter, *, limit: int
    ) -> list[DenseMatch]:
        """Rank records by the cosine of their best chunk.

        Raises:
            SpaceMismatchError: the vector's width is not the space's.
        """
        return self._dense.search(space, vector, chosen, limit=limit)

    def lexical(self, query: str, chosen: Filter, *, limit: int) -> list[LexicalMatch]:
        """Rank records by BM25 of any of the query's words; any text is a valid query."""
        terms = query_terms(query)
        if not terms:
            return []
        condition = compile_filter(chosen)
        with self._database.snapshot("search") as connection:
            return words.search(connection, terms, condition, limit)

    def vectors(self, space: str, ids: Iterable[str]) -> dict[str, Encoded]:
        """Return the stored vectors of records by id: float32 with float16 precision."""
        with self._database.read() as connection:
            return spaces.read_vectors(connection, space, ids)

    def token_codes(self, space: str, ids: Iterable[str]) -> dict[str, TokenCodes]:
        """Return token codes by id, leaving out records with a chunk that has none."""
        with self._database.read() as connection:
            return tokens.read_tokens(connection, space, ids)

    def put_vectors(self, space: str, records: Sequence[Record], encoded: Sequence[Encoded]) -> int:
        """Store vectors of records, skipping records that were changed or deleted meanwhile.

        Raises:
            ValueError: there is not one Encoded per record, or a vector is not finite.
            SpaceMismatchError: the vectors' width is not the space's.
        """
        with self._database.write("add to") as connection:
            return spaces.put_vectors(connection, space, records, encoded)

    def pending(self, space: str, *, limit: int, after: str | None = None) -> list[Record]:
        """Return records without vectors in the space, in order of id."""
        sql = f"SELECT {rows.COLUMNS} FROM records r WHERE r.id > ? {PENDING} ORDER BY r.id LIMIT ?"
        with self._database.read() as connection:
            found = connection.execute(sql, (after or "", space, limit)).fetchall()
        return [rows.to_record(row) for row in found]

    def lacking_tokens(
        self, space: str, kind: str, *, limit: int, after: str | None = None
    ) -> list[Record]:
        """Return records with vectors in the space but no token codes of a kind, by id."""
        sql = (
            f"SELECT {rows.COLUMNS} FROM records r WHERE r.id > ? AND {tokens.LACKING}"
            " ORDER BY r.id LIMIT ?"
        )
        with self._database.read() as connection:
            found = connection.execute(sql, (after or "", space, kind, limit)).fetchall()
        return [rows.to_record(row) for row in found]

    def drop_tokens(self, space: str) -> int:
        """Delete the token codes of a space and free their disk space; returns how many chunks."""
        with self._database.write("drop token codes of") as connection:
            count = tokens.drop_tokens(connection, space)
        self._purger.reclaim()
        return count

    def canaries(self, space: str) -> Canaries | None:
        """Return the canaries of a space, or None if it has none."""
        with self._database.read() as connection:
            return read_canaries(connection, space)

    def put_canaries(self, space: str, canaries: Canaries) -> None:
        """Store the canaries of a space, in place of earlier ones."""
        with self._database.write("add to") as connection:
            write_canaries(connection, space, canaries)

    def replace_vectors(
        self, space: str, records: Sequence[Record], encoded: Sequence[Encoded]
    ) -> None:
        """Replace vectors of records in a space, in one transaction.

        Skips records that were changed or deleted meanwhile.
        """
        with self._database.write("add to") as connection:
            spaces.drop_own(connection, space, [record.id for record in records])
            spaces.put_vectors(connection, space, records, encoded)
            renewed_upto(connection, space, records[-1].id)

    def spaces(self) -> list[SpaceInfo]:
        """Return every space in use, oldest first."""
        with self._database.read() as connection:
            return spaces.list_spaces(connection)

    def space_names(self) -> list[str]:
        """Return the names of all spaces, oldest first, without counting."""
        with self._database.read() as connection:
            return spaces.list_names(connection)

    def drop_space(self, space: str) -> int:
        """Delete the vectors of a space and free their disk space; returns how many."""
        with self._database.write("drop a space of") as connection:
            count = spaces.drop_space(connection, space)
        self._purger.reclaim()
        return count

    def source_state(self, uri: str, *, scope: str) -> SourceState | None:
        """Return the state of a completely imported source, or None."""
        with self._database.read() as connection:
            return sources.source_state(connection, uri, scope=scope)

    def sources(self, *, scope: str) -> list[SourceState]:
        """Return every completely imported source, in order of URI."""
        with self._database.read() as connection:
            return sources.list_sources(connection, scope=scope)

    def replace_source(
        self,
        state: SourceState,
        turns: Iterable[Turn],
        *,
        scope: str,
        progress: Progress | None = None,
    ) -> SourceChange:
        """Make the records of a source equal to `turns`; see `sources.replace_source`."""
        return sources.replace_source(self._database, state, turns, scope=scope, progress=progress)

    def replace_sources(
        self, found: Sequence[tuple[SourceState, Sequence[Turn]]], *, scope: str
    ) -> list[SourceChange]:
        """Do `replace_source` for several small sources in one transaction: all of them or none."""
        return sources.replace_sources(self._database, found, scope=scope)

    def add_ledger(self, entry: LedgerEntry) -> None:
        """Store which records a reply was given, replacing an earlier entry of that reply."""
        with self._database.write("add to") as connection:
            ledgers.add(connection, entry)

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
        with self._database.snapshot() as connection:
            return ledgers.latest(connection, record_id=record_id, session=session, limit=limit)

    @property
    def key(self) -> Key | None:
        """What opens the file once more; None where it is not encrypted."""
        return self._database.key

    @property
    def encrypted(self) -> bool:
        """Whether the file is encrypted; nothing is kept beside it then."""
        return self.key is not None

    def state_path(self, session: str) -> Path | None:
        """Return where a chat may save a session's tokens; None beside an encrypted database."""
        return None if self.encrypted else state_path(self.path, session)

    def replication(self) -> Replication:
        """Return what sync needs of this store."""
        return Replication(self._database, self._purger.forget)

    def quoting(self, chosen: Filter) -> list[str]:
        """Return the ids of other records that quote the chosen ones."""
        return self._purger.quoting(chosen)

    def forget(self, chosen: Filter) -> Receipt:
        """Delete records and every trace of them: see deleting/forget.py."""
        return self._purger.forget(chosen)

    def sweep(self) -> Receipt:
        """Forget expired records."""
        return self._purger.sweep()

    def compact(self) -> None:
        """Rewrite the file without free pages, finish a forget, and bring the words up to date."""
        self._purger.compact()

    def build_index(self, *, progress: Progress | None = None) -> None:
        """Update the caches of every space now instead of in the background."""
        self._dense.build(progress=progress)

    def verify(self) -> Verification:
        """Check every page, row and index entry, and count the readable records."""
        return upkeep.verify(self._database)

    def backup(self, target: Path) -> None:
        """Copy a snapshot of the database while others read and write.

        Raises:
            StoreError: the target exists, or cannot be written.
        """
        upkeep.backup(self._database, target)

    def status(self) -> StoreStatus:
        """Return sizes and counts."""
        with self._database.snapshot() as connection:
            found = spaces.list_spaces(connection)
            records = connection.execute("SELECT count(*) FROM records").fetchone()[0]
            n_sources = connection.execute("SELECT count(*) FROM sources").fetchone()[0]
            token_bytes = tokens.token_sizes(connection)[1]
        log = beside(self.path, "-wal")
        return StoreStatus(
            path=self.path,
            schema=schema.VERSION,
            records=records,
            sources=n_sources,
            size_bytes=sum(file.stat().st_size for file in (self.path, log) if file.exists()),
            index_bytes=self._dense.files.size_bytes(),
            token_bytes=token_bytes,
            spaces=tuple(found),
        )
