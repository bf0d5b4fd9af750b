"""Canaries in SQLite: vectors of a few fixed texts for each space, and the last comparison.

The table is made with the first canaries and is not part of the numbered schema: a database without
it, or a program that does not know it, loses nothing but this comparison.
"""

from __future__ import annotations

import sqlite3

import numpy as np

from lmort_memory.store.clock import now_us
from lmort_memory.store.values import Canaries

__all__ = ["read_canaries", "renewed_upto", "write_canaries"]

TABLE = """
CREATE TABLE IF NOT EXISTS canaries (
    s INTEGER PRIMARY KEY REFERENCES spaces ON DELETE CASCADE,
    vectors BLOB NOT NULL,
    checked_by TEXT NOT NULL,
    cosine REAL NOT NULL,
    renewed_upto TEXT,
    at INTEGER NOT NULL
)"""
THERE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'canaries'"
READ = """
SELECT c.vectors, c.checked_by, c.cosine, c.renewed_upto, s.dim
FROM canaries c JOIN spaces s USING (s) WHERE s.name = ?
"""
WRITE = """
INSERT OR REPLACE INTO canaries (s, vectors, checked_by, cosine, renewed_upto, at)
SELECT s, ?, ?, ?, ?, ? FROM spaces WHERE name = ?
"""


def read_canaries(connection: sqlite3.Connection, space: str) -> Canaries | None:
    """Return the canaries of a space, or None if it has none."""
    if connection.execute(THERE).fetchone() is None:
        return None
    row = connection.execute(READ, (space,)).fetchone()
    if row is None or len(row[0]) % (4 * row[4]):
        return None
    vectors = np.frombuffer(row[0], "<f4").reshape(-1, row[4]).astype(np.float32)
    return Canaries(vectors, row[1], row[2], row[3])


def write_canaries(connection: sqlite3.Connection, space: str, canaries: Canaries) -> None:
    """Store the canaries of a space, if the space exists."""
    connection.execute(TABLE)
    vectors = canaries.vectors.astype("<f4").tobytes()
    kept = (vectors, canaries.checked_by, canaries.cosine, canaries.renewed_upto, now_us(), space)
    connection.execute(WRITE, kept)


def renewed_upto(connection: sqlite3.Connection, space: str, last: str) -> None:
    """Record up to which id the vectors of a space have been made anew."""
    connection.execute(
        "UPDATE canaries SET renewed_upto = ? WHERE s = (SELECT s FROM spaces WHERE name = ?)",
        (last, space),
    )
