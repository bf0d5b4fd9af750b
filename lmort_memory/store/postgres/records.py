"""Records as rows: stored, changed, replaced; inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from lmort_memory.errors import RecordNotFoundError
from lmort_memory.store.clock import now_us, to_us
from lmort_memory.store.filters import Condition
from lmort_memory.store.postgres.connection import Connection
from lmort_memory.store.postgres.stems import index_of
from lmort_memory.store.records import rows
from lmort_memory.store.records.supersession import followed
from lmort_memory.store.values import Stored
from lmort_memory.types import Record, Turn

__all__ = [
    "add",
    "find",
    "history",
    "insert",
    "keep",
    "predecessors",
    "reindex",
    "set_expiry",
    "supersede",
    "update",
    "versions",
    "write_words",
]

INSERT = """
INSERT INTO records (id, text, role, scope, session, created_at, updated_at, metadata, source_uri,
                     source_start, source_end, expires_at, valid_from, valid_to, superseded_by,
                     origin, seen)
SELECT id, text, role, scope, session, created_at, updated_at, metadata, source_uri, source_start,
       source_end, expires_at, valid_from, valid_to, superseded_by, origin, %s::text
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[],
            %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
            %s::bigint[], %s::text[], %s::bytea[])
     WITH ORDINALITY AS given (id, text, role, scope, session, created_at, updated_at, metadata,
                               source_uri, source_start, source_end, expires_at, valid_from,
                               valid_to, superseded_by, origin, place)
ORDER BY place
ON CONFLICT DO NOTHING RETURNING id, n
"""
WORDS = """
INSERT INTO words (n, scope, body, stems)
SELECT n, scope, body::tsvector, stems
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bytea[]) AS given (n, scope, body, stems)
ON CONFLICT (n) DO UPDATE SET body = EXCLUDED.body, stems = EXCLUDED.stems
"""
READ = f"SELECT {rows.COLUMNS} FROM records r WHERE r.id = %s"
ENDED = "SELECT origin FROM records WHERE origin = ANY (%s) AND valid_to <= %s"
STEP = 500  # records that are indexed again in one transaction
OLD = f"""
SELECT {rows.COLUMNS}, w.stems FROM records r JOIN words w USING (n)
WHERE r.n > %s ORDER BY r.n LIMIT %s FOR UPDATE OF r
"""
VERSIONS = """
SELECT r.n, r.id, h.text, h.role, r.scope, r.session, r.created_at, h.updated_at, h.metadata,
       r.source_uri, r.source_start, r.source_end, h.expires_at,
       r.valid_from, r.valid_to, r.superseded_by
FROM history h JOIN records r USING (n) WHERE r.id = ANY (%s) ORDER BY h.n, h.h
"""
KEPT = """
INSERT INTO history (n, scope, text, role, updated_at, expires_at, metadata)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
CHAIN = """
WITH RECURSIVE chain (id) AS (
    SELECT %s::text COLLATE "C" UNION SELECT r.superseded_by FROM records r JOIN chain USING (id)
    WHERE r.superseded_by IS NOT NULL
)
SELECT 1 FROM chain WHERE id = %s
"""


def add(
    connection: Connection, given: Sequence[tuple[Record, bytes]], *, anew: Iterable[bytes]
) -> tuple[list[Stored], dict[str, int]]:
    """Insert records that turns became, unless their origin is stored already.

    Args:
        connection: Inside a transaction.
        given: The records with their origins.
        anew: Origins of the turns that `rows.says_anew`.

    Returns:
        What is stored for each, and the numbers of the new records by id.
    """
    later = _said_anew(connection, anew)
    given = [(record, later.get(origin, origin)) for record, origin in given]
    origins = [origin for _, origin in given]
    connection.execute(
        "UPDATE records SET origin = NULL WHERE origin = ANY (%s) AND expires_at <= %s",
        [origins, now_us()],
    )
    known = _by_origin(connection, origins)
    fresh: dict[bytes, Record] = {}
    for record, origin in given:
        if origin not in known:
            fresh.setdefault(origin, record)
    placed = insert(connection, [(record, origin) for origin, record in fresh.items()])
    missed = [origin for origin, record in fresh.items() if record.id not in placed]
    known |= _by_origin(connection, missed)  # another client was faster
    stored = []
    for record, origin in given:
        new = fresh.get(origin) is record and record.id in placed
        there = known.get(origin) or fresh[origin]
        stored.append(Stored(record if new else there, new=new))
    return stored, placed


def insert(
    connection: Connection,
    given: Sequence[tuple[Record, bytes | None]],
    *,
    seen: str | None = None,
) -> dict[str, int]:
    """Insert complete records with their words; returns the numbers of those that were new."""
    if not given:
        return {}
    columns = zip(*(rows.to_row(record, origin) for record, origin in given), strict=True)
    found = connection.execute(INSERT, [seen, *map(list, columns)]).fetchall()
    placed: dict[str, int] = dict(found)
    write_words(connection, [(placed[r.id], r) for r, _ in given if r.id in placed])
    return placed


def write_words(connection: Connection, given: Sequence[tuple[int, Record]]) -> None:
    """Index the words of records, replacing those indexed before."""
    indexed = [index_of(rows.searchable(record)) for _, record in given]
    if given:
        connection.execute(
            WORDS,
            [
                [n for n, _ in given],
                [record.scope for _, record in given],
                [one.body for one in indexed],
                [one.stems for one in indexed],
            ],
        )


def reindex(connection: Connection, after: int) -> int | None:
    """Index some records as this version does, from a number on; returns the last, or None."""
    found = connection.execute(OLD, [after, STEP]).fetchall()
    old = []
    for *columns, stems in found:
        record = rows.to_record(tuple(columns))
        if index_of(rows.searchable(record)).stems != bytes(stems):
            old.append((columns[0], record))
    write_words(connection, old)
    return found[-1][0] if len(found) == STEP else None


def find(connection: Connection, record_id: str, *, lock: bool = False) -> tuple[int, Record]:
    """Return the number and the record of an id.

    Raises:
        RecordNotFoundError: there is none.
    """
    row = connection.execute(READ + (" FOR UPDATE" if lock else ""), [record_id]).fetchone()
    if row is None:
        raise RecordNotFoundError(record_id)
    return row[0], rows.to_record(row)


def update(connection: Connection, record_id: str, turn: Turn) -> Record:
    """Replace text, role, metadata and expiry of a record; the old version becomes history.

    If the text changes, its vectors are deleted in every space.

    Raises:
        RecordNotFoundError: no record has the id.
    """
    n, old = find(connection, record_id, lock=True)
    connection.execute(
        "INSERT INTO history (n, scope, text, role, updated_at, expires_at, metadata)"
        " SELECT n, scope, text, role, updated_at, expires_at, metadata FROM records WHERE n = %s",
        [n],
    )
    now = max(now_us(), to_us(old.updated_at) + 1)  # every version has its own time
    expires = None if turn.expires_at is None else to_us(turn.expires_at)
    metadata = rows.dump_metadata(turn.metadata)
    connection.execute(
        "UPDATE records SET text = %s, role = %s, updated_at = %s, expires_at = %s, metadata = %s,"
        " origin = NULL WHERE n = %s",
        [turn.text, turn.role, now, expires, metadata, n],
    )
    origin = rows.origin_of(turn)
    if not _by_origin(connection, [origin]):  # otherwise another has this content; both stay
        connection.execute("UPDATE records SET origin = %s WHERE n = %s", [origin, n])
    new = find(connection, record_id)[1]
    write_words(connection, [(n, new)])
    if turn.text != old.text:
        connection.execute("DELETE FROM vectors WHERE n = %s", [n])
    return new


def set_expiry(connection: Connection, ids: Sequence[str], expires_at: datetime | None) -> int:
    """Change when records expire, without a new version; returns how many were changed."""
    when = None if expires_at is None else to_us(expires_at)
    changed = connection.execute(
        "UPDATE records SET expires_at = %s WHERE id = ANY (%s)", [when, list(ids)]
    )
    return int(changed.rowcount)


def history(connection: Connection, record_id: str) -> list[Record]:
    """Return the versions of a record, oldest first; the current one is last.

    Raises:
        RecordNotFoundError: no record has the id.
    """
    present = find(connection, record_id)[1]
    return [*versions(connection, [record_id]).get(record_id, ()), present]


def versions(connection: Connection, ids: Sequence[str]) -> dict[str, list[Record]]:
    """Return the earlier versions of records that have some, oldest first, by id."""
    found: dict[str, list[Record]] = {}
    for row in connection.execute(VERSIONS, [list(ids)]):
        found.setdefault(row[1], []).append(rows.to_record(row))
    return found


def keep(connection: Connection, given: Sequence[tuple[int, Record]]) -> None:
    """Store earlier versions of records with their numbers, those of each oldest first."""
    values = [
        (
            n,
            one.scope,
            one.text,
            one.role,
            to_us(one.updated_at),
            one.expires_at and to_us(one.expires_at),
            rows.dump_metadata(one.metadata),
        )
        for n, one in given
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(KEPT, values)


def supersede(
    connection: Connection, old_id: str, new_id: str, at: datetime | None
) -> tuple[Record, Record]:
    """Replace one record by another from `at` on; returns both records after the change.

    Raises:
        RecordNotFoundError: one of them does not exist.
        ValueError: the old record would replace itself, directly or through others.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('lmort-memory supersede'))")
    find(connection, old_id, lock=True)
    new = find(connection, new_id)[1]
    if connection.execute(CHAIN, [new_id, old_id]).fetchone():
        raise ValueError(
            f"{new_id} cannot replace {old_id}: {old_id} has already replaced {new_id}"
        )
    when = to_us(at or new.valid_from or new.created_at)
    connection.execute(
        "UPDATE records SET valid_to = %s, superseded_by = %s WHERE id = %s",
        [when, new_id, old_id],
    )
    connection.execute("UPDATE records SET valid_from = %s WHERE id = %s", [when, new_id])
    return find(connection, old_id)[1], find(connection, new_id)[1]


def predecessors(connection: Connection, ids: Iterable[str]) -> dict[str, list[Record]]:
    """Return the records that each of these has replaced, latest first."""
    found: dict[str, list[Record]] = {}
    for row in connection.execute(
        f"SELECT {rows.COLUMNS} FROM records r WHERE r.superseded_by = ANY (%s)"
        " AND (r.expires_at IS NULL OR r.expires_at > %s)"
        " ORDER BY COALESCE(r.valid_to, r.created_at) DESC, r.n DESC",
        [list(ids), now_us()],
    ):
        record = rows.to_record(row)
        found.setdefault(record.superseded_by or "", []).append(record)
    return found


def _said_anew(connection: Connection, origins: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return the origin under which each of these is said anew, of those that were replaced."""
    later: dict[bytes, bytes] = {}
    firsts = {origin: origin for origin in origins}  # by the origins to look for
    while firsts:
        ended = connection.execute(ENDED, [list(firsts), now_us()]).fetchall()
        firsts = {rows.again(origin): firsts[bytes(origin)] for (origin,) in ended}
        later |= {first: origin for origin, first in firsts.items()}
    return later


def _by_origin(connection: Connection, origins: Sequence[bytes]) -> dict[bytes, Record]:
    if not origins:
        return {}
    found = connection.execute(
        f"SELECT r.origin, {rows.COLUMNS} FROM records r WHERE r.origin = ANY (%s)", [list(origins)]
    )
    return {bytes(row[0]): rows.to_record(row[1:]) for row in found}


def superseded(connection: Connection, condition: Condition, limit: int) -> dict[str, str]:
    """Return the ids of the latest replaced records, and of those that replaced them last."""
    sql, values = condition
    found = connection.execute(
        "SELECT r.id, r.superseded_by FROM records r"
        f" WHERE r.superseded_by IS NOT NULL AND {sql} ORDER BY r.id DESC LIMIT %s",
        [*values, limit],
    )
    return followed(dict(found.fetchall()))
