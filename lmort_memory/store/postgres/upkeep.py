"""Sizes, checks, and a copy of everything in one file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lmort_memory.store.postgres import records, schema
from lmort_memory.store.postgres.connection import Connection, Server
from lmort_memory.store.values import SpaceInfo, StoreStatus, Verification

if TYPE_CHECKING:
    from lmort_memory.store.postgres.store import PostgresStore

__all__ = ["backup", "reindex", "status", "verify"]

SIZES = """
SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM sources),
       COALESCE((SELECT sum(pg_total_relation_size(to_regclass(name)))
                 FROM unnest(%s::text[]) t (name)), 0)::bigint,
       COALESCE((SELECT sum(pg_relation_size(i.indexrelid)) FROM pg_index i
                 JOIN pg_class c ON c.oid = i.indexrelid
                 WHERE i.indrelid = 'vectors'::regclass AND c.relname LIKE 'vectors_hnsw_%%'),
                0)::bigint,
       COALESCE((SELECT sum(octet_length(codes)) FROM token_codes), 0)::bigint
"""
CHECKS = (
    (
        "SELECT count(*) FROM vectors v JOIN spaces USING (s) WHERE vector_dims(vector) != dim",
        "vectors do not have the length of their space",
    ),
    (
        "SELECT count(*) FROM token_codes JOIN token_kinds USING (k)"
        " WHERE length(codes) = 0 OR length(codes) % width != 0",
        "token codes are not a whole number of tokens",
    ),
    (
        "SELECT count(*) FROM records r WHERE NOT EXISTS (SELECT 1 FROM words w WHERE w.n = r.n)",
        "records are missing from the full-text index",
    ),
    (
        "SELECT count(*) FROM records WHERE NOT metadata IS JSON OBJECT",
        "records have broken metadata",
    ),
    (
        "SELECT count(*) FROM records r JOIN words w USING (n) WHERE w.scope != r.scope",
        "records have words in another scope",
    ),
    (
        "SELECT count(*) FROM records r JOIN vectors v USING (n) WHERE v.scope != r.scope",
        "records have vectors in another scope",
    ),
    (
        "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = 'vectors'::regclass AND NOT i.indisvalid",
        "indexes are not ready: they are being built, or were stopped and will be built again",
    ),
)


def status(connection: Connection, path: Path, shown: str, spaces: list[SpaceInfo]) -> StoreStatus:
    """Return sizes and counts; a role under row-level security counts its own records."""
    stored, sources, size, index, tokens = connection.execute(
        SIZES, [list(schema.TABLES)]
    ).fetchone()
    return StoreStatus(
        path=path,
        schema=schema.VERSION,
        records=stored,
        sources=sources,
        size_bytes=size,
        index_bytes=index,
        spaces=tuple(spaces),
        token_bytes=tokens,
        url=shown,
    )


def verify(connection: Connection) -> Verification:
    """Check that the tables agree with each other, and read every record."""
    problems = []
    for sql, meaning in CHECKS:
        if count := connection.execute(sql).fetchone()[0]:
            problems.append(f"{count} {meaning}")
    readable = connection.execute("SELECT count(length(text || metadata)) FROM records").fetchone()
    return Verification(tuple(problems), int(readable[0]))


def reindex(server: Server) -> None:
    """Index all records as this version does, some at a time."""
    last: int | None = 0
    while last is not None:
        last = server.write("compact", partial(records.reindex, after=last))


def backup(store: PostgresStore, target: Path) -> None:
    """Copy one snapshot of everything to a new SQLite database.

    Raises:
        StoreError: the target exists, its folder does not, or it cannot be written.
    """
    from lmort_memory.store.duplicating import duplicate
    from lmort_memory.store.sqlite import SQLiteStore
    from lmort_memory.store.upkeep import new_backup

    with new_backup(target) as part, SQLiteStore(part) as copy:
        duplicate(store, copy)
