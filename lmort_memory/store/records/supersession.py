"""Which record replaced which, and since when; inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime

from lmort_memory.errors import RecordNotFoundError
from lmort_memory.store.clock import now_us, to_us
from lmort_memory.store.filters import Condition
from lmort_memory.store.records import rows
from lmort_memory.types import Record

__all__ = ["followed", "predecessors", "supersede", "superseded"]

READ = f"SELECT {rows.COLUMNS} FROM records r WHERE r.id = ?"
CHAIN = """
WITH RECURSIVE chain (id) AS (
    SELECT ? UNION SELECT superseded_by FROM records JOIN chain USING (id)
    WHERE superseded_by NOT NULL
)
SELECT 1 FROM chain WHERE id = ?
"""
# From the few replaced records on: the index of the scope would lead through all of it.
SUPERSEDED = """
SELECT r.id, r.superseded_by
FROM (SELECT n FROM records WHERE superseded_by NOT NULL) replaced CROSS JOIN records r USING (n)
WHERE {condition} ORDER BY r.id DESC LIMIT ?
"""
PREDECESSORS = f"""
SELECT {rows.COLUMNS} FROM records r
WHERE r.superseded_by IN (SELECT value FROM json_each(?))
AND (r.expires_at IS NULL OR r.expires_at > ?)
ORDER BY IFNULL(r.valid_to, r.created_at) DESC, r.n DESC
"""


def supersede(
    connection: sqlite3.Connection, old_id: str, new_id: str, at: datetime | None
) -> tuple[Record, Record]:
    """Replace one record by another from `at` on; returns both records after the change.

    Raises:
        RecordNotFoundError: one of them does not exist.
        ValueError: the old record would replace itself, directly or through others.
    """
    for record_id in (old_id, new_id):
        if connection.execute(READ, (record_id,)).fetchone() is None:
            raise RecordNotFoundError(record_id)
    if connection.execute(CHAIN, (new_id, old_id)).fetchone():
        raise ValueError(
            f"{new_id} cannot replace {old_id}: {old_id} has already replaced {new_id}"
        )
    new = rows.to_record(connection.execute(READ, (new_id,)).fetchone())
    when = to_us(at or new.valid_from or new.created_at)
    connection.execute(
        "UPDATE records SET valid_to = ?, superseded_by = ? WHERE id = ?", (when, new_id, old_id)
    )
    connection.execute("UPDATE records SET valid_from = ? WHERE id = ?", (when, new_id))
    old, new = (
        rows.to_record(connection.execute(READ, (one,)).fetchone()) for one in (old_id, new_id)
    )
    return old, new


def predecessors(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, list[Record]]:
    """Return the records that each of these has replaced, latest first."""
    found: dict[str, list[Record]] = {}
    for row in connection.execute(PREDECESSORS, (json.dumps(list(ids)), now_us())):
        record = rows.to_record(row)
        found.setdefault(record.superseded_by or "", []).append(record)
    return found


def superseded(connection: sqlite3.Connection, condition: Condition, limit: int) -> dict[str, str]:
    """Return the ids of the latest replaced records, and of those that replaced them last."""
    sql, values = condition
    found = connection.execute(SUPERSEDED.format(condition=sql), [*values, limit])
    return followed(dict(found))


def followed(newer: Mapping[str, str]) -> dict[str, str]:
    """Follow each record to the end of its chain."""
    ends: dict[str, str] = {}
    for old, new in newer.items():
        seen = {old}
        end = new
        while end in newer and end not in seen:
            seen.add(end)
            end = newer[end]
        ends[old] = end
    return ends
