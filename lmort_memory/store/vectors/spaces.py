"""Write and read the vectors of spaces, inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from json import dumps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmort_memory.errors import DamagedStoreError, SpaceMismatchError
from lmort_memory.store.clock import to_us
from lmort_memory.store.damaged import DAMAGED, reading
from lmort_memory.store.values import SpaceInfo
from lmort_memory.store.vectors.matrix import to_halves
from lmort_memory.store.vectors.tokens import CHUNKS, put_tokens, to_tokens
from lmort_memory.types import Encoded, Record

__all__ = [
    "by_record",
    "check_one_each",
    "check_widths",
    "drop_own",
    "drop_space",
    "drop_vectors",
    "list_names",
    "list_spaces",
    "put_vectors",
    "read_vectors",
]

LIST = """
SELECT name, dim, count(v.v), (SELECT count(*) FROM records) - count(DISTINCT v.n),
       IFNULL((SELECT items FROM caches c WHERE c.s = spaces.s AND kind = 'graph'), 0)
FROM spaces LEFT JOIN vectors v USING (s) GROUP BY spaces.s ORDER BY spaces.s
"""
# A record that was changed since it was encoded has another `updated_at`.
UNCHANGED = "SELECT n FROM records WHERE id = ? AND updated_at = ?"
THERE = "SELECT v FROM vectors WHERE n = ? AND s = ? ORDER BY v"
INSERT = "INSERT INTO vectors (s, n, start, stop, vector) VALUES (?, ?, ?, ?, ?)"
READ = f"SELECT r.id, v.start, v.stop, v.vector, kinds.name, kinds.width, t.codes {CHUNKS}"


def put_vectors(
    connection: sqlite3.Connection,
    space: str,
    records: Sequence[Record],
    encoded: Sequence[Encoded],
) -> int:
    """Store vectors of records, and token codes if there are any.

    Skips records that were changed or deleted. A record with vectors keeps them, and gets missing
    token codes.

    Raises:
        ValueError: not one Encoded for each record, or a vector that is not finite.
        SpaceMismatchError: another width than the space's.
    """
    check_one_each(records, encoded)
    if not encoded:
        return 0
    s = _space(connection, space, encoded)
    put = 0
    for record, one in zip(records, encoded, strict=True):
        key = (record.id, to_us(record.updated_at))
        row = connection.execute(UNCHANGED, key).fetchone()
        if row is not None:
            put += _put(connection, s, row[0], one)
    return put


def _put(connection: sqlite3.Connection, s: int, n: int, encoded: Encoded) -> bool:
    """Store the missing vectors or codes of one record; returns whether it had no vectors."""
    numbers = [v for (v,) in connection.execute(THERE, (n, s))]
    new = not numbers
    if new:
        for (start, stop), vector in zip(encoded.spans, encoded.vectors, strict=True):
            row = (s, n, start, stop, to_halves(vector))
            numbers.append(connection.execute(INSERT, row).lastrowid or 0)
    if encoded.tokens is not None and len(numbers) == len(encoded.spans):
        put_tokens(connection, numbers, encoded.tokens)
    return new


def read_vectors(
    connection: sqlite3.Connection, space: str, ids: Iterable[str]
) -> dict[str, Encoded]:
    """Return vectors of records by id, float32 with float16 precision, and their token codes."""
    rows = connection.execute(READ, (space, dumps(list(ids))))
    return by_record(rows, lambda blob: np.frombuffer(blob, "<f2"))


def by_record(
    rows: Iterable[tuple[Any, ...]], halves: Callable[[bytes], NDArray[np.float16]]
) -> dict[str, Encoded]:
    """Return vectors, float32, and token codes by id.

    Args:
        rows: Chunks, those of a record together and in order: its id, start, stop, the vector as
            the database keeps it, then what `to_tokens` takes.
        halves: Reads a vector, float16 (dim,).

    Raises:
        DamagedStoreError: a vector holds what is never written.
    """
    found: dict[str, Encoded] = {}
    kept = list(rows)
    vectors = _stacked(kept, halves)
    start = 0
    for id_, group in groupby(kept, key=lambda row: row[0]):
        chunks = list(group)
        spans = tuple((chunk[1], chunk[2]) for chunk in chunks)
        if not all(isinstance(place, int) for span in spans for place in span):
            raise DamagedStoreError(f"the spans of {id_!r:.40} cannot be read — {DAMAGED}")
        tokens = to_tokens([chunk[4:] for chunk in chunks])
        found[id_] = Encoded(vectors[start : start + len(chunks)], spans, tokens)
        start += len(chunks)
    return found


def _stacked(
    rows: Sequence[tuple[Any, ...]], halves: Callable[[bytes], NDArray[np.float16]]
) -> NDArray[np.float32]:
    """Return the vectors of all rows, float32 (n_rows, dim): at once, which a recall waits for."""
    read: list[NDArray[np.float16]] = []
    for row in rows:
        with reading(f"a vector of {row[0]!r:.40}"):
            read.append(halves(row[3]))
    if not read:
        return np.empty((0, 0), dtype=np.float32)
    sizes = [one.size for one in read]
    ((expected, _),) = Counter(sizes).most_common(1)
    for row, size in zip(rows, sizes, strict=True):
        if size != expected:
            raise DamagedStoreError(
                f"a vector of {row[0]!r:.40} has {size} numbers, others {expected} — {DAMAGED}"
            )
    vectors = np.stack(read)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        id_ = rows[int(finite.argmin())][0]
        raise DamagedStoreError(f"a vector of {id_!r:.40} holds NaN or infinity — {DAMAGED}")
    return vectors.astype(np.float32)


def drop_vectors(connection: sqlite3.Connection, n: int) -> None:
    """Delete the vectors of one record in every space."""
    connection.execute(
        "UPDATE spaces SET deleted = deleted +"
        " (SELECT count(*) FROM vectors v WHERE v.n = ? AND v.s = spaces.s)",
        (n,),
    )
    connection.execute("DELETE FROM vectors WHERE n = ?", (n,))


def drop_own(connection: sqlite3.Connection, space: str, ids: Sequence[str]) -> None:
    """Delete the vectors of records in one space, and with them their token codes."""
    own = (
        "s = (SELECT s FROM spaces WHERE name = ?) AND n IN"
        " (SELECT n FROM records WHERE id IN (SELECT value FROM json_each(?)))"
    )
    given = (space, dumps(list(ids)))
    gone = connection.execute(f"DELETE FROM vectors WHERE {own}", given).rowcount
    connection.execute("UPDATE spaces SET deleted = deleted + ? WHERE name = ?", (gone, space))


def list_spaces(connection: sqlite3.Connection) -> list[SpaceInfo]:
    """Return every space in use, oldest first."""
    return [SpaceInfo(*row) for row in connection.execute(LIST)]


def list_names(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the spaces, without counting what is in them."""
    return [name for (name,) in connection.execute("SELECT name FROM spaces ORDER BY s")]


def drop_space(connection: sqlite3.Connection, space: str) -> int:
    """Delete a space and its vectors; returns how many vectors there were."""
    count = connection.execute(
        "DELETE FROM vectors WHERE s = (SELECT s FROM spaces WHERE name = ?)", (space,)
    ).rowcount
    connection.execute("DELETE FROM spaces WHERE name = ?", (space,))
    return count


def check_one_each(records: Sequence[object], encoded: Sequence[Encoded]) -> None:
    """Raise ValueError unless there is one Encoded for each record."""
    if len(records) != len(encoded):
        raise ValueError(
            f"expected one Encoded for each of {len(records)} records; found {len(encoded)}"
        )


def check_widths(space: str, encoded: Sequence[Encoded], expected: int) -> None:
    """Raise SpaceMismatchError unless every vector has the width of the space."""
    widths = {one.vectors.shape[1] for one in encoded}
    if widths != {expected}:
        raise SpaceMismatchError(
            f"cannot store vectors in the space {space}: found widths {sorted(widths)}, expected "
            f"{expected} — a space has one width; use another space",
            expected=str(expected),
            found=str(sorted(widths)),
        )


def _space(connection: sqlite3.Connection, name: str, encoded: Sequence[Encoded]) -> int:
    """Return the number of a space, creating it if it is new."""
    row = connection.execute("SELECT s, dim FROM spaces WHERE name = ?", (name,)).fetchone()
    expected = row[1] if row is not None else encoded[0].vectors.shape[1]
    check_widths(name, encoded, expected)
    if row is not None:
        return int(row[0])
    connection.execute("INSERT INTO spaces (name, dim) VALUES (?, ?)", (name, expected))
    return int(connection.execute("SELECT last_insert_rowid()").fetchone()[0])
