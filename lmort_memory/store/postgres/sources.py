"""Sources: completely imported files and exports, so that only changes are stored again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lmort_memory.store.clock import now_us, to_us
from lmort_memory.store.postgres import records
from lmort_memory.store.postgres.connection import Connection, Server
from lmort_memory.store.postgres.deleting import erase
from lmort_memory.store.records import rows
from lmort_memory.store.records.sources import BATCH, STATE, take
from lmort_memory.store.ulid import new_id
from lmort_memory.store.values import SourceChange, SourceState
from lmort_memory.types import Progress, Record, Source, Turn

__all__ = ["list_sources", "put_source", "replace_source", "source_state"]

STALE = "r.source_uri = %s AND r.scope = %s AND r.seen IS DISTINCT FROM %s"
LOCK = "SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))"
# What may differ in a turn whose content is the same; its vectors stay valid.
MOVED = """
UPDATE records SET created_at = COALESCE(%s, created_at), metadata = %s, source_start = %s,
                   source_end = %s, expires_at = %s, seen = %s
WHERE n = %s
"""


def source_state(connection: Connection, uri: str, *, scope: str) -> SourceState | None:
    """Return the state of a source, or None if it was never completely imported."""
    row = connection.execute(f"{STATE} WHERE uri = %s AND scope = %s", [uri, scope]).fetchone()
    return None if row is None else SourceState(*row)


def list_sources(connection: Connection, *, scope: str) -> list[SourceState]:
    """Return every source of a scope in order of URI."""
    found = connection.execute(f"{STATE} WHERE scope = %s ORDER BY uri", [scope])
    return [SourceState(*row) for row in found]


def put_source(
    connection: Connection, state: SourceState, *, scope: str, at: int | None = None
) -> None:
    """Write the state of a source."""
    connection.execute(
        "INSERT INTO sources (uri, scope, digest, size_bytes, modified_ns, stored_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (uri, scope) DO UPDATE SET"
        " digest = EXCLUDED.digest, size_bytes = EXCLUDED.size_bytes,"
        " modified_ns = EXCLUDED.modified_ns, stored_at = EXCLUDED.stored_at",
        [state.uri, scope, state.digest, state.size_bytes, state.modified_ns, at or now_us()],
    )


def replace_source(
    server: Server,
    state: SourceState,
    turns: Iterable[Turn],
    *,
    scope: str,
    progress: Progress | None = None,
) -> SourceChange:
    """Make the records of a source equal to `turns`; see `store/records/sources.py`.

    Each run has a name, which every record that it meets is marked with: what is not marked at the
    end is no longer in the source. How often a content occurred is counted here, in some 150 bytes
    for each different one.
    """
    run = new_id()
    met: dict[bytes, int] = {}
    rest = iter(turns)
    added = done = 0
    while True:
        batch, error = take(rest)
        placed = [_place(turn, state.uri, scope, met) for turn in batch]
        last = len(batch) < BATCH and error is None

        def work(
            connection: Connection,
            placed: Sequence[tuple[Turn, Record, bytes]] = placed,
            last: bool = last,
        ) -> tuple[int, int]:
            connection.execute(LOCK, [state.uri, scope])
            new = _keep(connection, placed, run)
            removed = 0
            if last:
                removed = erase(connection, (STALE, [state.uri, scope, run])).records
                put_source(connection, state, scope=scope)
            return new, removed

        new, removed = server.write("import into", work)
        added, done = added + new, done + len(batch)
        if progress is not None:
            progress(done, None)
        if last or error is not None:
            return SourceChange(added=added, kept=done - added, removed=removed, error=error)


def _place(turn: Turn, uri: str, scope: str, met: dict[bytes, int]) -> tuple[Turn, Record, bytes]:
    span = turn.source or Source(uri)
    turn = replace(turn, scope=scope, source=replace(span, uri=uri))
    content = rows.origin_of(turn, occurrence=0)
    times = met[content] = met.get(content, -1) + 1
    return turn, rows.new_record(turn), rows.origin_of(turn, occurrence=times)


def _keep(connection: Connection, placed: Sequence[tuple[Turn, Record, bytes]], run: str) -> int:
    """Store the turns of a source unless they are stored already; returns how many are new."""
    found = connection.execute(
        "SELECT origin, n, metadata FROM records WHERE origin = ANY (%s) FOR UPDATE",
        [[origin for _, _, origin in placed]],
    )
    there = {bytes(origin): (n, metadata) for origin, n, metadata in found}
    new = [(record, origin) for _, record, origin in placed if origin not in there]
    records.insert(connection, new, seen=run)
    moved, changed = [], []
    for turn, record, origin in placed:
        if origin not in there:
            continue
        n, old = there[origin]
        span = turn.source or Source("")
        created = None if turn.created_at is None else to_us(turn.created_at)
        expires = None if turn.expires_at is None else to_us(turn.expires_at)
        metadata = rows.dump_metadata(turn.metadata)
        moved.append((created, metadata, span.start, span.end, expires, run, n))
        if metadata != old:
            changed.append((n, record))
    if moved:
        with connection.cursor() as cursor:
            cursor.executemany(MOVED, moved)
    records.write_words(connection, changed)
    return len(new)
