"""Vectors and token codes in and out of PostgreSQL, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np

from lmort_memory.store.clock import to_us
from lmort_memory.store.postgres.connection import Connection
from lmort_memory.store.values import SpaceInfo, Stored
from lmort_memory.store.vectors.matrix import to_halves
from lmort_memory.store.vectors.spaces import by_record, check_one_each, check_widths
from lmort_memory.store.vectors.tokens import (
    check_chunks,
    check_kind,
    tokens_by_record,
    width_of,
)
from lmort_memory.types import Encoded, Record, TokenCodes

__all__ = [
    "INDEXES",
    "drop_space",
    "index_name",
    "list_names",
    "list_spaces",
    "put_added",
    "put_vectors",
    "read_tokens",
    "read_vectors",
]

LIST = """
SELECT s.s, s.name, s.dim, COALESCE(c.chunks, 0),
       (SELECT count(*) FROM records) - COALESCE(c.records, 0)
FROM spaces s LEFT JOIN (SELECT s, count(*) AS chunks, count(*) FILTER (WHERE chunk = 0) AS records
                         FROM vectors GROUP BY s) c USING (s) ORDER BY s.s
"""
# A record that was changed since it was encoded has another `updated_at`. The lock makes two
# programs that encode the same record wait for each other.
UNCHANGED = """
SELECT r.id, r.n, r.scope FROM records r
JOIN unnest(%s::text[], %s::bigint[]) AS given (id, updated_at) USING (id, updated_at)
ORDER BY r.n FOR NO KEY UPDATE OF r
"""
INSERT = """
INSERT INTO vectors (s, n, scope, chunk, start, stop, vector) VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
THERE = "SELECT n, v FROM vectors WHERE s = %s AND n = ANY (%s) ORDER BY n, chunk"
CODES = """
INSERT INTO token_codes (v, scope, k, codes)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::integer[], %s::bytea[])
ON CONFLICT (v) DO UPDATE SET k = EXCLUDED.k, codes = EXCLUDED.codes
"""
# Every chunk of some records, and its codes if it has any; those of a record together, in order.
CHUNKS = """
FROM records r JOIN vectors v ON v.n = r.n AND v.s = (SELECT s FROM spaces WHERE name = %s)
LEFT JOIN token_codes t USING (v) LEFT JOIN token_kinds kinds USING (k)
WHERE r.id = ANY (%s) ORDER BY r.id, v.chunk
"""
READ = f"""
SELECT r.id, v.start, v.stop, halfvec_send(v.vector), kinds.name, kinds.width, t.codes {CHUNKS}
"""
READ_TOKENS = f"SELECT r.id, kinds.name, kinds.width, t.codes {CHUNKS}"
HEADER = 4  # bytes before the numbers of a halfvec


def put_vectors(
    connection: Connection, space: str, records: Sequence[Record], encoded: Sequence[Encoded]
) -> int:
    """Store vectors of records, and token codes if there are any; as `Store.put_vectors` does.

    Raises:
        ValueError: not one Encoded for each record, or a vector that is not finite.
        SpaceMismatchError: another width than the space's.
    """
    check_one_each(records, encoded)
    if not encoded:
        return 0
    s = _space(connection, space, encoded)
    keys = [[record.id for record in records], [to_us(record.updated_at) for record in records]]
    places = {id_: (n, scope) for id_, n, scope in connection.execute(UNCHANGED, keys)}
    given = {
        places[record.id]: one
        for record, one in zip(records, encoded, strict=True)
        if record.id in places
    }
    numbers = [n for n, _ in given]
    known = {n for n, _ in connection.execute(THERE, [s, numbers])}
    new = {place: one for place, one in given.items() if place[0] not in known}
    _insert(connection, s, new)
    coded = {place: one.tokens for place, one in given.items() if one.tokens is not None}
    _put_codes(connection, s, coded)
    return len(new)


def put_added(
    connection: Connection,
    space: str,
    stored: Sequence[Stored],
    placed: Mapping[str, int],
    encoded: Sequence[Encoded],
) -> None:
    """Store the vectors of what was added in this transaction, where new records have none yet.

    Args:
        connection: Inside the transaction that added them.
        space: Name of the space.
        stored: What the turns became.
        placed: The numbers of the new records by id.
        encoded: The vectors of each turn.

    Raises:
        ValueError: not one Encoded for each turn, or a vector that is not finite.
        SpaceMismatchError: another width than the space's.
    """
    check_one_each(stored, encoded)
    pairs = list(zip(stored, encoded, strict=True))
    new = {(placed[at.record.id], at.record.scope): one for at, one in pairs if at.new}
    if new:
        s = _space(connection, space, list(new.values()))
        _insert(connection, s, new)
        _put_codes(connection, s, {at: e.tokens for at, e in new.items() if e.tokens is not None})
    old = [(at.record, one) for at, one in pairs if not at.new]
    if old:
        put_vectors(connection, space, *zip(*old, strict=True))


def read_vectors(connection: Connection, space: str, ids: Iterable[str]) -> dict[str, Encoded]:
    """Return vectors of records by id, float32 with float16 precision, and their token codes."""
    rows = connection.execute(READ, [space, list(ids)])
    return by_record(rows, lambda blob: np.frombuffer(blob, ">f2", offset=HEADER))


def read_tokens(connection: Connection, space: str, ids: Iterable[str]) -> dict[str, TokenCodes]:
    """Return the token codes of records by id, as `tokens_by_record` does."""
    return tokens_by_record(connection.execute(READ_TOKENS, [space, list(ids)]))


def list_spaces(connection: Connection, *, every: bool) -> list[SpaceInfo]:
    """Return the spaces, oldest first; only those with vectors unless `every` is set."""
    indexed = {name for (name,) in connection.execute(INDEXES)}
    return [
        SpaceInfo(name, dim, chunks, pending, chunks if index_name(s) in indexed else 0)
        for s, name, dim, chunks, pending in connection.execute(LIST).fetchall()
        if every or chunks
    ]


def list_names(connection: Connection) -> list[str]:
    """Return the names of the spaces, oldest first, without counting what is in them."""
    return [name for (name,) in connection.execute("SELECT name FROM spaces ORDER BY s")]


INDEXES = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = 'vectors'::regclass AND i.indisvalid AND c.relname LIKE 'vectors_hnsw_%'
"""


def index_name(s: int) -> str:
    """Return the name of the index over the vectors of a space."""
    return f"vectors_hnsw_{s}"


def drop_space(connection: Connection, space: str, *, entirely: bool) -> int:
    """Delete a space's vectors, and if `entirely` the space with its index; returns how many."""
    row = connection.execute("SELECT s FROM spaces WHERE name = %s", [space]).fetchone()
    if row is None:
        return 0
    if entirely:
        connection.execute(f"DROP INDEX IF EXISTS {index_name(row[0])}")
    count = connection.execute("DELETE FROM vectors WHERE s = %s", [row[0]]).rowcount
    if entirely:
        connection.execute("DELETE FROM spaces WHERE s = %s", [row[0]])
    return int(count)


def _insert(connection: Connection, s: int, new: dict[tuple[int, str], Encoded]) -> None:
    from pgvector import HalfVector

    rows = [
        (s, n, scope, chunk, *span, np.frombuffer(to_halves(vector), "<f2"))
        for (n, scope), one in new.items()
        for chunk, (span, vector) in enumerate(zip(one.spans, one.vectors, strict=True))
    ]
    if not rows:
        return
    _register(connection)
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [(*row[:-1], HalfVector(row[-1])) for row in rows])


def _register(connection: Connection) -> None:
    """Teach a connection pgvector's types, which asks the server, unless it knows them."""
    from pgvector import HalfVector
    from pgvector.psycopg import register_vector
    from psycopg import ProgrammingError
    from psycopg.adapt import PyFormat

    try:
        connection.adapters.get_dumper(HalfVector, PyFormat.AUTO)
    except ProgrammingError:
        register_vector(connection)


def _put_codes(connection: Connection, s: int, coded: dict[tuple[int, str], TokenCodes]) -> None:
    """Store the codes of records whose chunks are all there.

    Raises:
        ValueError: there is not one array of codes per chunk.
        SpaceMismatchError: the codes' width differs from that of their kind.
    """
    if not coded:
        return
    found = connection.execute(THERE, [s, [n for n, _ in coded]]).fetchall()
    chunks = {n: [v for _, v in group] for n, group in groupby(found, key=lambda row: row[0])}
    rows: list[tuple[int, str, int, bytes]] = []
    kinds: dict[str, int] = {}
    for (n, scope), tokens in coded.items():
        numbers = chunks.get(n, [])
        check_chunks(len(numbers), tokens)
        if tokens.kind not in kinds:
            kinds[tokens.kind] = _kind(connection, tokens)
        rows += [
            (v, scope, kinds[tokens.kind], codes.tobytes())
            for v, codes in zip(numbers, tokens.chunks, strict=True)
        ]
    connection.execute(CODES, [list(column) for column in zip(*rows, strict=True)])


def _space(connection: Connection, name: str, encoded: Sequence[Encoded]) -> int:
    """Return the number of a space, creating it if it is new."""
    s, dim = _named(connection, "spaces", name, int(encoded[0].vectors.shape[1]))
    check_widths(name, encoded, dim)
    return s


def _kind(connection: Connection, tokens: TokenCodes) -> int:
    """Return the number of a kind of codes, creating it if it is new."""
    k, expected = _named(connection, "token_kinds", tokens.kind, width_of(tokens))
    check_kind(tokens, expected)
    return k


def _named(connection: Connection, table: str, name: str, width: int) -> tuple[int, int]:
    """Return the number and the width of a space or kind, creating it if it is new."""
    number, column = {"spaces": ("s", "dim"), "token_kinds": ("k", "width")}[table]
    read = f"SELECT {number}, {column} FROM {table} WHERE name = %s"
    row = connection.execute(read, [name]).fetchone()
    if row is None:
        connection.execute(
            f"INSERT INTO {table} (name, {column}) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [name, width],
        )
        row = connection.execute(read, [name]).fetchone()
    return int(row[0]), int(row[1])
