"""The ledger's rows: which records a reply was given, with a payload from the caller."""

from __future__ import annotations

from lmort_memory.store.clock import from_us, now_us, to_us
from lmort_memory.store.postgres.connection import Connection
from lmort_memory.store.records.rows import dump_metadata, load_metadata
from lmort_memory.store.values import LedgerEntry

__all__ = ["ROWS", "add", "latest", "restore", "to_entry"]

ROWS = """
SELECT l.reply_id, l.session, l.created_at, l.payload,
       COALESCE((SELECT array_agg(r.record_id ORDER BY r.record_id) FROM ledger_records r
                 WHERE r.reply_id = l.reply_id), '{}')
FROM ledger l
"""


def add(connection: Connection, entry: LedgerEntry, *, tenant: str | None) -> None:
    """Insert an entry, replacing that of the same reply.

    It belongs to the scope that its payload names, else to the tenant.
    """
    named = entry.payload.get("scope")
    scope = named if isinstance(named, str) else tenant or ""
    at = now_us() if entry.created_at is None else to_us(entry.created_at)
    connection.execute("DELETE FROM ledger WHERE reply_id = %s", [entry.reply_id])
    connection.execute(
        "INSERT INTO ledger (reply_id, scope, session, created_at, payload)"
        " VALUES (%s, %s, %s, %s, %s)",
        [entry.reply_id, scope, entry.session, at, dump_metadata(entry.payload)],
    )
    connection.execute(
        "INSERT INTO ledger_records (reply_id, record_id, scope)"
        " SELECT %s, id, %s FROM unnest(%s::text[]) AS given (id) ON CONFLICT DO NOTHING",
        [entry.reply_id, scope, list(entry.record_ids)],
    )


def restore(connection: Connection, entry: LedgerEntry, *, tenant: str | None) -> None:
    """Insert an entry unless its reply has one."""
    known = "SELECT 1 FROM ledger WHERE reply_id = %s"
    if connection.execute(known, [entry.reply_id]).fetchone() is None:
        add(connection, entry, tenant=tenant)


def latest(
    connection: Connection, *, record_id: str | None, session: str | None, limit: int | None
) -> list[LedgerEntry]:
    """Return the latest entries that meet every given condition, oldest first."""
    found = connection.execute(
        f"{ROWS} WHERE (%(session)s::text IS NULL OR l.session = %(session)s)"
        " AND (%(record)s::text IS NULL OR l.reply_id IN"
        " (SELECT reply_id FROM ledger_records WHERE record_id = %(record)s))"
        " ORDER BY l.created_at DESC, l.reply_id DESC LIMIT %(limit)s",
        {"session": session, "record": record_id, "limit": limit},
    ).fetchall()
    return [to_entry(row) for row in reversed(found)]


def to_entry(row: tuple[str, str | None, int, str, list[str]]) -> LedgerEntry:
    """Return the entry of a row of `ROWS`."""
    reply_id, session, at, payload, ids = row
    return LedgerEntry(reply_id, session, tuple(ids), load_metadata(payload), from_us(at))
