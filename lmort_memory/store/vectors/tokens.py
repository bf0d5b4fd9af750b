"""Write and read the token codes of chunks, inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from itertools import groupby
from json import dumps
from typing import TYPE_CHECKING, Any

import numpy as np

from lmort_memory.errors import SpaceMismatchError
from lmort_memory.types import TokenCodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "CHUNKS",
    "DROP",
    "LACKING",
    "check_chunks",
    "check_kind",
    "drop_tokens",
    "put_tokens",
    "read_tokens",
    "to_tokens",
    "token_sizes",
    "tokens_by_record",
    "width_of",
]

PUT = "INSERT OR REPLACE INTO token_codes (v, k, codes) VALUES (?, ?, ?)"
SIZES = "SELECT count(*), IFNULL(sum(length(codes)), 0) FROM token_codes"
# Condition on `records r`: has a vector in the space that lacks codes of this kind.
LACKING = """
EXISTS (SELECT 1 FROM vectors v WHERE v.n = r.n AND v.s = (SELECT s FROM spaces WHERE name = ?)
        AND NOT EXISTS (SELECT 1 FROM token_codes t JOIN token_kinds USING (k)
                        WHERE t.v = v.v AND token_kinds.name = ?))
"""
# Every chunk of some records, and its codes if it has any; those of a record together, in order.
CHUNKS = """
FROM vectors v JOIN records r USING (n)
LEFT JOIN token_codes t USING (v) LEFT JOIN token_kinds kinds USING (k)
WHERE v.s = (SELECT s FROM spaces WHERE name = ?) AND r.id IN (SELECT value FROM json_each(?))
ORDER BY r.id, v.v
"""
READ = f"SELECT r.id, kinds.name, kinds.width, t.codes {CHUNKS}"
DROP = """
DELETE FROM token_codes WHERE v IN
    (SELECT v FROM vectors WHERE s = (SELECT s FROM spaces WHERE name = ?))
"""


def put_tokens(connection: sqlite3.Connection, vectors: Sequence[int], tokens: TokenCodes) -> None:
    """Store the codes of a record's chunks, given the numbers of their vectors.

    Raises:
        ValueError: there is not one array of codes per chunk.
        SpaceMismatchError: the codes' width differs from that of their kind.
    """
    check_chunks(len(vectors), tokens)
    k = _kind(connection, tokens)
    rows = [(v, k, codes.tobytes()) for v, codes in zip(vectors, tokens.chunks, strict=True)]
    connection.executemany(PUT, rows)


def read_tokens(
    connection: sqlite3.Connection, space: str, ids: Iterable[str]
) -> dict[str, TokenCodes]:
    """Return the token codes of records by id, as `tokens_by_record` does."""
    return tokens_by_record(connection.execute(READ, (space, dumps(list(ids)))))


def tokens_by_record(rows: Iterable[tuple[Any, ...]]) -> dict[str, TokenCodes]:
    """Return token codes by id, leaving out records with a chunk that has none.

    Args:
        rows: Chunks, those of a record together and in order: its id, then what `to_tokens` takes.
    """
    found: dict[str, TokenCodes] = {}
    for id_, chunks in groupby(rows, key=lambda row: row[0]):
        codes = to_tokens([chunk[1:] for chunk in chunks])
        if codes is not None:
            found[id_] = codes
    return found


def to_tokens(rows: Sequence[tuple[str | None, int | None, bytes | None]]) -> TokenCodes | None:
    """Return the codes of a record from each chunk's kind, width and bytes, if all have codes.

    Damaged ones count as none, so that the record is still found by its vector.

    Args:
        rows: One per chunk, in order, with None if a chunk has no codes.
    """
    kind, width, _ = rows[0]
    blobs = [row[2] or b"" for row in rows]
    if not isinstance(kind, str) or not isinstance(width, int) or width < 1:
        return None
    if any(row[0] != kind for row in rows) or not all(_whole(one, width) for one in blobs):
        return None
    return TokenCodes(kind, tuple(np.frombuffer(one, np.uint8).reshape(-1, width) for one in blobs))


def _whole(codes: object, width: int) -> bool:
    return isinstance(codes, bytes) and len(codes) > 0 and len(codes) % width == 0


def token_sizes(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the number of chunks with codes, and the size of all codes in bytes."""
    chunks, size = connection.execute(SIZES).fetchone()
    return int(chunks), int(size)


def drop_tokens(connection: sqlite3.Connection, space: str) -> int:
    """Delete the token codes of a space; returns the number of chunks that had some."""
    return connection.execute(DROP, (space,)).rowcount


def check_chunks(count: int, tokens: TokenCodes) -> None:
    """Raise ValueError unless there is one array of codes for each of `count` chunks."""
    if count != len(tokens.chunks):
        raise ValueError(f"expected token codes of {count} chunks; found {len(tokens.chunks)}")


def check_kind(tokens: TokenCodes, expected: int) -> None:
    """Raise SpaceMismatchError unless the codes have the width of their kind."""
    if (width := width_of(tokens)) != expected:
        raise SpaceMismatchError(
            f"cannot store token codes of kind {tokens.kind}: found {width} bytes per token, "
            f"expected {expected} — a kind has one width; use another kind",
            expected=str(expected),
            found=str(width),
        )


def width_of(tokens: TokenCodes) -> int:
    """Return the number of bytes per token, which is the same in every chunk."""
    (width,) = {codes.shape[1] for codes in tokens.chunks}
    return int(width)


def _kind(connection: sqlite3.Connection, tokens: TokenCodes) -> int:
    """Return the number of a kind of codes, creating it if it is new."""
    named = "SELECT k, width FROM token_kinds WHERE name = ?"
    row = connection.execute(named, (tokens.kind,)).fetchone()
    if row is None:
        insert = "INSERT INTO token_kinds (name, width) VALUES (?, ?)"
        return int(connection.execute(insert, (tokens.kind, width_of(tokens))).lastrowid or 0)
    check_kind(tokens, row[1])
    return int(row[0])
