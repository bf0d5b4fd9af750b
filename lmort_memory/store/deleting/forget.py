"""Forget: delete records and every trace of them.

The rows are deleted in one transaction, which also writes a plan (numbers only, no text). Cleaning
follows and can be repeated: graph files, saved chat states, FTS5's segments, free pages, the
write-ahead log. A plan that was interrupted is finished when the database is next opened.
"""

from __future__ import annotations

import json
import mmap
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from lmort_memory.errors import DamagedStoreError
from lmort_memory.paths import beside, remove_parts
from lmort_memory.store.clock import now_us
from lmort_memory.store.connection import Database
from lmort_memory.store.deleting.rows import Erased, erase
from lmort_memory.store.filters import compile_filter
from lmort_memory.store.records.reindex import reindex
from lmort_memory.store.temporary import remove_abandoned
from lmort_memory.store.values import Filter, Receipt
from lmort_memory.store.vectors.search import DenseSearch
from lmort_memory.store.words.quotes import quoting

__all__ = ["Purger", "state_path"]

LOOK_FOR = 32  # texts to look for; with more, the file is rewritten without looking
NEEDLE = 24  # bytes; shorter pieces of a text occur elsewhere by chance
MOST_QUOTES = 100
SMALL = 256 << 20  # bytes; files up to this size are always rewritten, in memory: about a second


def state_path(database: Path, session: str) -> Path:
    """Return where a chat may save a session's state, tokens included; forgetting deletes it.

    The name is a hash, because a session can have any name.
    """
    digest = blake2b(session.encode(), digest_size=16).hexdigest()
    return beside(database, ".states") / f"{digest}.state"


class Purger:
    """Forgets records in one database; unfinished cleaning is recorded in the table `purges`."""

    def __init__(self, database: Database, dense: DenseSearch) -> None:
        self._database = database
        self._dense = dense

    def forget(self, chosen: Filter) -> Receipt:
        """Delete the chosen records and every trace of them."""
        with self._database.write("forget in") as connection:
            erased = erase(connection, compile_filter(chosen), texts=LOOK_FOR + 1)
            if not erased.records:
                return Receipt()
            quoted_by = quoting(connection, erased.texts[:LOOK_FOR], limit=MOST_QUOTES)
            connection.execute(
                "INSERT INTO audit (at, action, count) VALUES (?, 'forget', ?)",
                (now_us(), erased.records),
            )
            states = [state_path(self._database.path, session) for session in erased.sessions]
            plan = {"vectors": erased.vectors, "states": [state.name for state in states]}
            connection.execute("INSERT INTO purges (plan) VALUES (?)", (json.dumps(plan),))
        existing = sum(state.exists() for state in states)
        verified = self.finish(erased)
        return Receipt(
            records=erased.records,
            vectors=len(erased.vectors),
            history=erased.history,
            ledger=erased.ledger,
            states=existing,
            verified=verified and not quoted_by,
            quoted_by=tuple(quoted_by),
        )

    def quoting(self, chosen: Filter) -> list[str]:
        """Return the ids of other records that quote the chosen ones."""
        condition, values = compile_filter(chosen)
        with self._database.snapshot("read") as connection:
            texts = connection.execute(
                f"SELECT r.id, r.text FROM records r WHERE {condition} LIMIT {LOOK_FOR}", values
            ).fetchall()
            own = {id_ for id_, _ in texts}
            most = MOST_QUOTES + len(own)
            found = quoting(connection, [text for _, text in texts], limit=most)
            own |= _chosen_of(connection, chosen, found)
        return [id_ for id_ in found if id_ not in own][:MOST_QUOTES]

    def finish(self, erased: Erased | None = None) -> bool:
        """Carry out all unfinished plans; returns whether no text was found afterwards.

        Args:
            erased: What this process has just deleted, with texts to look for. Without it the
                texts are unknown, and the file is rewritten.
        """
        with self._database.read("forget in") as connection:
            plans = connection.execute("SELECT p, plan FROM purges").fetchall()
        if not plans:
            return True
        mine = erased is not None and len(plans) == 1
        with self._database.translated("clean"):
            remove_parts(self._database.path)  # what a killed restore has left
            remove_abandoned()
            for _, text in plans:
                vectors, states = self._planned(text)
                self._remove_states(states)
                self._dense.scrub(vectors)
        with self._database.write("forget in") as connection:
            # SQLite before 3.42 leaves deleted words in FTS5's segments until they are merged.
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        clean = self._clean_pages(list(needles(erased.texts)) if erased and mine else None)
        if clean:
            with self._database.write("forget in") as connection:
                connection.executemany("DELETE FROM purges WHERE p = ?", [(p,) for p, _ in plans])
        return clean

    def sweep(self) -> Receipt:
        """Forget expired records."""
        with self._database.read() as connection:
            old = connection.execute(
                "SELECT id FROM records WHERE expires_at <= ?", (now_us(),)
            ).fetchall()
        if not old or self._database.read_only:
            return Receipt()
        return self.forget(Filter(ids=tuple(id_ for (id_,) in old), expired=True))

    def reclaim(self) -> None:
        """Free the space that a dropped vector space used, in the file and beside it."""
        self._dense.release()
        self._database.free_pages()
        self._database.truncate_log()

    def compact(self) -> None:
        """Rewrite the database without free pages, and finish an interrupted forget.

        What an earlier version stored is indexed by words as this one does.
        """
        self.finish()
        with suppress(DamagedStoreError):  # `verify` names the damage
            reindex(self._database)
        self._dense.files.delete_orphans()
        self._vacuum()
        self._database.truncate_log()

    def _clean_pages(self, wanted: list[bytes] | None) -> bool:
        self._database.free_pages()
        clean = self._database.truncate_log()
        few = wanted is not None and len(wanted) <= 3 * LOOK_FOR
        blind = self._database.key is not None  # no text can be looked for
        if blind or self._size() <= SMALL or not few or self._found(wanted or []):
            # A page that SQLite rebalanced may keep a copy that secure_delete missed.
            self._vacuum()
            clean = self._database.truncate_log()
        return clean

    def _vacuum(self) -> None:
        with self._database.read("compact") as connection:
            if self._size() > SMALL and self._database.key is None:  # SQLite's own file is plain
                connection.execute("PRAGMA temp_store = FILE")
            connection.execute("VACUUM")
            connection.execute("PRAGMA temp_store = MEMORY")

    def _size(self) -> int:
        return self._database.path.stat().st_size

    def _planned(self, text: str) -> tuple[list[int], list[str]]:
        """Return the vectors and state files of a plan; of a damaged one, all that may be meant."""
        try:
            plan = json.loads(text)
            return list(plan["vectors"]), [str(name) for name in plan["states"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            folder = state_path(self._database.path, "").parent
            return [0], [file.name for file in folder.glob("*.state")]

    def _remove_states(self, names: Iterable[str]) -> None:
        folder = state_path(self._database.path, "").parent
        if not folder.is_dir():
            return
        for name in names:
            state = folder / Path(name).name
            for file in (state, *folder.glob(f".{state.name}.*")):  # and what a kill left of a save
                file.unlink(missing_ok=True)

    def _found(self, wanted: list[bytes]) -> bool:
        return any(contains(file, wanted) for file in self._files())

    def _files(self) -> Iterator[Path]:
        path = self._database.path
        yield path
        yield beside(path, "-wal")


def needles(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield pieces of texts to look for: start, middle and end, because pages may split them."""
    for text in texts:
        data = text.encode()
        for start in {0, len(data) // 2, max(0, len(data) - NEEDLE)}:
            piece = data[start : start + NEEDLE]
            if len(piece) == NEEDLE or (len(data) < NEEDLE and start == 0):
                yield piece


def contains(file: Path, wanted: Iterable[bytes]) -> bool:
    """Return whether a file holds any of the pieces."""
    if not file.exists() or file.stat().st_size == 0:
        return False
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(piece) >= 0 for piece in wanted)


def _chosen_of(connection: sqlite3.Connection, chosen: Filter, ids: Sequence[str]) -> set[str]:
    """Return which of these records are chosen too: of many, not all were looked at."""
    condition, values = compile_filter(chosen)
    found = connection.execute(
        f"SELECT r.id FROM records r WHERE {condition}"
        " AND r.id IN (SELECT value FROM json_each(?))",
        [*values, json.dumps(ids)],
    )
    return {id_ for (id_,) in found}
