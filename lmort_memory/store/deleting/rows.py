"""Deleting records in SQL: rows, words, vectors, history and ledger, in one transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from lmort_memory.store.filters import Condition

__all__ = ["FREED", "ORPHANS", "TEXTS", "Erased", "erase"]

LEDGER = """
SELECT reply_id FROM ledger_records WHERE record_id IN (SELECT id FROM doomed)
UNION SELECT reply_id FROM ledger WHERE reply_id IN (SELECT id FROM doomed)
"""
SESSIONS = f"""
SELECT DISTINCT session FROM records WHERE n IN (SELECT n FROM doomed) AND session NOT NULL
UNION SELECT session FROM ledger WHERE reply_id IN ({LEDGER}) AND session NOT NULL
"""
TEXTS = """
SELECT text FROM records WHERE n IN (SELECT n FROM doomed)
UNION SELECT text FROM history WHERE n IN (SELECT n FROM doomed) LIMIT ?
"""
# A record whose replacement is forgotten stays outdated: `valid_to` is kept.
FREED = """
UPDATE records SET superseded_by = NULL WHERE superseded_by IN (SELECT id FROM doomed)
"""
ORPHANS = """
DELETE FROM sources WHERE (uri, scope) IN (SELECT source_uri, scope FROM doomed)
AND NOT EXISTS (
    SELECT 1 FROM records r WHERE r.source_uri = sources.uri AND r.scope = sources.scope)
"""


@dataclass(frozen=True, slots=True)
class Erased:
    """What one transaction deleted.

    Attributes:
        texts: Some of the texts, to look for traces of them; at most as many as requested.
        vectors: The numbers of the deleted vectors.
        sessions: Sessions whose saved chat states may hold the texts.
    """

    records: int
    history: int
    ledger: int
    texts: tuple[str, ...]
    vectors: tuple[int, ...]
    sessions: tuple[str, ...]


def erase(connection: sqlite3.Connection, condition: Condition, *, texts: int = 0) -> Erased:
    """Delete the records that meet a condition on `records r`, inside a transaction."""
    connection.execute("DROP TABLE IF EXISTS temp.doomed")
    connection.execute(
        "CREATE TEMP TABLE doomed AS SELECT r.n, r.id, r.source_uri, r.scope FROM records r"
        f" WHERE {condition[0]}",
        condition[1],
    )
    rows = connection.execute(TEXTS, (texts,)).fetchall()
    found_texts = tuple(text for (text,) in rows if isinstance(text, str))  # others are damage
    sessions = tuple(session for (session,) in connection.execute(SESSIONS))
    vectors = _vectors(connection)
    counts = [
        connection.execute(f"DELETE FROM {table} WHERE {condition}").rowcount
        for table, condition in (
            ("ledger", f"reply_id IN ({LEDGER})"),
            ("words", "rowid IN (SELECT n FROM doomed)"),
            ("history", "n IN (SELECT n FROM doomed)"),
            ("records", "n IN (SELECT n FROM doomed)"),
        )
    ]
    connection.execute(FREED)
    connection.execute(ORPHANS)
    connection.execute("DROP TABLE temp.doomed")
    return Erased(
        records=counts[3],
        history=counts[2],
        ledger=counts[0],
        texts=found_texts,
        vectors=vectors,
        sessions=sessions,
    )


def _vectors(connection: sqlite3.Connection) -> tuple[int, ...]:
    rows = connection.execute("SELECT v, s FROM vectors WHERE n IN (SELECT n FROM doomed)")
    doomed = rows.fetchall()
    for s in {s for _, s in doomed}:
        gone = sum(one == s for _, one in doomed)
        connection.execute("UPDATE spaces SET deleted = deleted + ? WHERE s = ?", (gone, s))
    connection.execute("DELETE FROM vectors WHERE n IN (SELECT n FROM doomed)")
    return tuple(v for v, _ in doomed)
