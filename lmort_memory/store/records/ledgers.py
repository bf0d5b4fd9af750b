"""The ledger's rows: which records a reply was given, with a payload from the caller."""

from __future__ import annotations

import sqlite3

from lmort_memory.store.clock import from_us, now_us, to_us
from lmort_memory.store.records.rows import dump_metadata, load_metadata
from lmort_memory.store.values import LedgerEntry

__all__ = ["ROWS", "add", "latest", "restore", "to_entry"]

ROWS = """
SELECT reply_id, session, created_at, payload,
       (SELECT group_concat(record_id, char(10))
        FROM ledger_records r WHERE r.reply_id = l.reply_id)
FROM ledger l
"""


def add(connection: sqlite3.Connection, entry: LedgerEntry) -> None:
    """Insert an entry, replacing that of the same reply."""
    payload = dump_metadata(entry.payload)
    at = now_us() if entry.created_at is None else to_us(entry.created_at)
    connection.execute("DELETE FROM ledger WHERE reply_id = ?", (entry.reply_id,))
    connection.execute(
        "INSERT INTO ledger VALUES (?, ?, ?, ?)",
        (entry.reply_id, entry.session, at, payload),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO ledger_records VALUES (?, ?)",
        [(entry.reply_id, id_) for id_ in entry.record_ids],
    )


def restore(connection: sqlite3.Connection, entry: LedgerEntry) -> None:
    """Insert an entry unless its reply has one."""
    known = "SELECT 1 FROM ledger WHERE reply_id = ?"
    if connection.execute(known, (entry.reply_id,)).fetchone() is None:
        add(connection, entry)


def latest(
    connection: sqlite3.Connection,
    *,
    record_id: str | None,
    session: str | None,
    limit: int | None,
) -> list[LedgerEntry]:
    """Return the latest entries that meet every given condition, oldest first."""
    most = -1 if limit is None else limit  # SQLite takes no NULL here, but less than 0 for all
    rows = connection.execute(
        f"{ROWS} WHERE (:session IS NULL OR session = :session) AND (:record IS NULL OR reply_id IN"
        " (SELECT reply_id FROM ledger_records WHERE record_id = :record))"
        " ORDER BY created_at DESC, reply_id DESC LIMIT :limit",
        {"session": session, "record": record_id, "limit": most},
    ).fetchall()
    entries = [to_entry(row) for row in reversed(rows)]
    return [entry for entry in entries if entry is not None]


def to_entry(row: tuple[str, str | None, int, str, str | None]) -> LedgerEntry | None:
    """Return an entry, or None if it is damaged: that hides no other."""
    reply_id, session, at, payload, ids = row
    if not isinstance(reply_id, str) or not isinstance(session, str | None):
        return None
    named = tuple(sorted(ids.split("\n"))) if ids else ()
    try:
        return LedgerEntry(reply_id, session, named, load_metadata(payload), from_us(at))
    except (ValueError, TypeError, RecursionError):
        return None
