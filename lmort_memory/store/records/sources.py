"""Sources: completely imported files and exports, so that only changes are stored again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from lmort_memory.errors import DamagedStoreError, ImportFileError
from lmort_memory.store.clock import now_us, to_us
from lmort_memory.store.connection import Database
from lmort_memory.store.damaged import DAMAGED
from lmort_memory.store.deleting.rows import erase
from lmort_memory.store.records import rows
from lmort_memory.store.values import SourceChange, SourceState
from lmort_memory.types import Progress, Source, Turn

__all__ = [
    "BATCH",
    "STATE",
    "list_sources",
    "replace_source",
    "replace_sources",
    "source_state",
    "take",
    "to_state",
]

BATCH = 500  # turns per transaction; bounds how long other writers wait
STATE = "SELECT uri, digest, size_bytes, modified_ns FROM sources"
STALE = "r.source_uri = ? AND r.scope = ? AND r.n NOT IN (SELECT n FROM temp.kept)"
OTHER = "SELECT 1 FROM records WHERE n = ? AND metadata != ?"
# What may differ in a turn whose content is the same; its vectors stay valid.
MOVED = """
UPDATE records SET created_at = IFNULL(?, created_at), metadata = ?, source_start = ?,
                   source_end = ?, expires_at = ?
WHERE n = ?
"""


def source_state(connection: sqlite3.Connection, uri: str, *, scope: str) -> SourceState | None:
    """Return the state of a source, or None if it was never completely imported."""
    row = connection.execute(f"{STATE} WHERE uri = ? AND scope = ?", (uri, scope)).fetchone()
    return None if row is None else to_state(row)


def list_sources(connection: sqlite3.Connection, *, scope: str) -> list[SourceState]:
    """Return every source of a scope in order of URI."""
    found = connection.execute(f"{STATE} WHERE scope = ? ORDER BY uri", (scope,))
    return [to_state(row) for row in found]


def to_state(row: tuple[Any, ...], *, scope: object = "") -> SourceState:
    """Return the state in a row of the columns of `STATE`.

    Raises:
        DamagedStoreError: the row holds a value that this program never writes.
    """
    if not (
        all(isinstance(one, str) for one in row[:2])
        and all(isinstance(one, int) for one in row[2:])
    ):
        raise DamagedStoreError(f"the source {row[0]!r:.40} cannot be read — {DAMAGED}")
    return SourceState(*row)


def replace_source(
    database: Database,
    state: SourceState,
    turns: Iterable[Turn],
    *,
    scope: str,
    progress: Progress | None = None,
) -> SourceChange:
    """Make the records of a source equal to `turns`.

    Turns are matched by content and by how often it occurs; known turns keep their id, vectors and
    history. Each batch is one transaction, so a small source costs only one wait for the disk. The
    last batch also deletes what the source no longer contains and writes the source's state. An
    interrupted run is repeated, and finds the finished batches stored. If `turns` raises
    `ImportFileError`, the turns before it are stored, nothing is deleted, the state is not written,
    and the error is part of the result.
    """
    added = done = 0
    removed: int | None = None
    error: ImportFileError | None = None
    rest = iter(turns)
    while removed is None and error is None:
        batch, error = take(rest)
        with database.write("import into") as connection:
            if not done:
                _start(connection)
            added += sum(_keep(connection, turn, state.uri, scope) for turn in batch)
            if len(batch) < BATCH and error is None:
                removed = _finish(connection, state, scope)
        done += len(batch)
        if progress is not None:
            progress(done, None)
    return SourceChange(added=added, kept=done - added, removed=removed or 0, error=error)


def replace_sources(
    database: Database, found: Sequence[tuple[SourceState, Sequence[Turn]]], *, scope: str
) -> list[SourceChange]:
    """Do `replace_source` for several small sources in one transaction, which waits once."""
    changes = []
    with database.write("import into") as connection:
        for state, turns in found:
            _start(connection)
            added = sum(_keep(connection, turn, state.uri, scope) for turn in turns)
            removed = _finish(connection, state, scope)
            changes.append(SourceChange(added=added, kept=len(turns) - added, removed=removed))
    return changes


def take(rest: Iterator[Turn]) -> tuple[list[Turn], ImportFileError | None]:
    """Return the next batch, and the error that ended it early, if any."""
    batch: list[Turn] = []
    try:
        for turn in islice(rest, BATCH):
            batch.append(turn)
    except ImportFileError as error:
        return batch, error
    return batch, None


def _finish(connection: sqlite3.Connection, state: SourceState, scope: str) -> int:
    """Delete what the source no longer contains and write its state; returns how many records."""
    removed = erase(connection, (STALE, [state.uri, scope])).records
    connection.execute(
        "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?, ?)",
        (state.uri, scope, state.digest, state.size_bytes, state.modified_ns, now_us()),
    )
    return removed


def _start(connection: sqlite3.Connection) -> None:
    """Forget the source before. A new table would make SQLite prepare every statement anew."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS kept (n INTEGER PRIMARY KEY)")
    connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS met (content BLOB PRIMARY KEY, times INTEGER)"
    )
    connection.execute("DELETE FROM temp.kept")
    connection.execute("DELETE FROM temp.met")


def _keep(connection: sqlite3.Connection, turn: Turn, uri: str, scope: str) -> bool:
    """Store a turn of a source unless it is stored already; returns whether it is new."""
    span = turn.source or Source(uri)
    turn = replace(turn, scope=scope, source=replace(span, uri=uri))
    origin = rows.origin_of(turn, occurrence=_times_met(connection, turn))
    row = connection.execute("SELECT n FROM records WHERE origin = ?", (origin,)).fetchone()
    if row is None:
        n, _ = rows.insert(connection, turn, origin)
    else:
        n = row[0]
        created = None if turn.created_at is None else to_us(turn.created_at)
        expires = None if turn.expires_at is None else to_us(turn.expires_at)
        metadata = rows.dump_metadata(turn.metadata)
        if connection.execute(OTHER, (n, metadata)).fetchone():
            words = rows.searchable(turn)
            connection.execute("UPDATE words SET body = ? WHERE rowid = ?", (words, n))
        connection.execute(MOVED, (created, metadata, span.start, span.end, expires, n))
    connection.execute("INSERT INTO kept VALUES (?)", (n,))
    return row is None


def _times_met(connection: sqlite3.Connection, turn: Turn) -> int:
    """Return how often this run has already seen the same content."""
    content = rows.origin_of(turn, occurrence=0)
    row = connection.execute("SELECT times FROM met WHERE content = ?", (content,)).fetchone()
    times = 0 if row is None else row[0] + 1
    connection.execute("INSERT OR REPLACE INTO met VALUES (?, ?)", (content, times))
    return times
