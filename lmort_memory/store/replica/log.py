"""Changes of this device that wait to be published, and the ids that its bundles hold."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from lmort_memory.store.records import ledgers
from lmort_memory.store.replica import rows
from lmort_memory.store.replica.state import Changes, LedgerState, OwnBundle, RecordState

__all__ = [
    "begin",
    "collect",
    "everything",
    "note_bundled",
    "own_bundles",
    "published",
    "stamp",
    "waiting",
]

MOST_RECORDS = 500  # in one bundle
MOST_CHARS = 4_000_000  # of text in one bundle, not counting its last record
# A register's stamp is later than the one it replaces, even if the clock went back.
STAMP = """
INSERT INTO stamps (id, part, at, device)
SELECT c.id, c.part, c.at, (SELECT device FROM replica) FROM changes c
WHERE c.at NOT NULL AND c.part NOT IN ('text', 'ledger')
ON CONFLICT (id, part) DO UPDATE SET at = max(excluded.at, stamps.at + 1), device = excluded.device
"""
LEDGERS = f"""
{ledgers.ROWS} JOIN changes c ON c.id = l.reply_id WHERE c.part = 'ledger'
ORDER BY l.reply_id LIMIT ?
"""
# Changes of before the first sync, of a database that may be the copy of another: an edit's
# metadata, and a successor, win over what was never changed.
BEGIN = (
    "INSERT OR IGNORE INTO changes SELECT id, 'text', NULL FROM records",
    "INSERT OR IGNORE INTO changes SELECT reply_id, 'ledger', NULL FROM ledger",
    "INSERT OR IGNORE INTO changes SELECT id, 'begin', updated_at FROM records"
    " WHERE valid_from NOT NULL",
    "INSERT OR IGNORE INTO changes SELECT id, 'end', updated_at FROM records"
    " WHERE valid_to NOT NULL",
)


def begin(connection: sqlite3.Connection) -> None:
    """Note everything as a change, at the first sync."""
    for statement in BEGIN:
        connection.execute(statement)


def everything(connection: sqlite3.Connection) -> None:
    """Publish everything again: this device's bundles are not all where they were."""
    for statement in BEGIN[:2]:
        connection.execute(statement)
    connection.execute("UPDATE tombstones SET published = 0")
    connection.execute("UPDATE twins SET published = 0")
    connection.execute("UPDATE bundles SET state = 'replaced'")
    connection.execute("DELETE FROM bundled")
    connection.execute("UPDATE replica SET first = 1")


def stamp(connection: sqlite3.Connection) -> None:
    """Give the noted changes their stamps; they still wait to be published."""
    connection.execute(STAMP)
    connection.execute("UPDATE changes SET at = NULL WHERE at NOT NULL")


def waiting(connection: sqlite3.Connection) -> int:
    """Return how many records, ledger entries, tombstones and twins wait to be published."""
    (count,) = connection.execute(
        "SELECT (SELECT count(DISTINCT id) FROM changes) +"
        " (SELECT count(*) FROM tombstones WHERE NOT published) +"
        " (SELECT count(*) FROM twins WHERE NOT published)"
    ).fetchone()
    return int(count)


def collect(connection: sqlite3.Connection) -> Changes:
    """Return what waits to be published, up to the size of a bundle.

    It goes on waiting until `published`; only notes about records that are gone are deleted.
    """
    forgotten = [
        id_ for (id_,) in connection.execute("SELECT id FROM tombstones WHERE NOT published")
    ]
    pairs = connection.execute("SELECT id, main FROM twins WHERE NOT published").fetchall()
    return Changes(
        records=tuple(_records(connection)),
        ledgers=tuple(map(_ledger, connection.execute(LEDGERS, (MOST_RECORDS,)))),
        forgotten=tuple(forgotten),
        twins=tuple(pairs),
    )


def _records(connection: sqlite3.Connection) -> Iterator[RecordState]:
    ids = connection.execute(
        "SELECT DISTINCT id FROM changes WHERE part != 'ledger' ORDER BY id LIMIT ?",
        (MOST_RECORDS,),
    ).fetchall()
    chars = 0
    for (id_,) in ids:
        state = rows.load(connection, id_, vectors=True)
        if state is None:
            connection.execute("DELETE FROM changes WHERE id = ? AND part != 'ledger'", (id_,))
            continue
        yield state
        chars += sum(len(version.text) + len(version.metadata) for version in state.versions)
        if chars > MOST_CHARS:
            return


def _ledger(row: tuple[str, str | None, int, str, str | None]) -> LedgerState:
    reply_id, session, at, payload, ids = row
    named = tuple(sorted(ids.split("\n"))) if ids else ()
    return LedgerState(reply_id, session, at, named, json.loads(payload))


def published(connection: sqlite3.Connection, changes: Changes, seq: int) -> None:
    """Note that the bundle of a number holds these changes."""
    connection.executemany(
        "DELETE FROM changes WHERE id = ? AND part != 'ledger'",
        [(one.id,) for one in changes.records],
    )
    connection.executemany(
        "DELETE FROM changes WHERE id = ? AND part = 'ledger'",
        [(one.reply_id,) for one in changes.ledgers],
    )
    connection.executemany(
        "UPDATE tombstones SET published = 1 WHERE id = ?", [(one,) for one in changes.forgotten]
    )
    connection.executemany(
        "UPDATE twins SET published = 1 WHERE id = ? AND main = ?", changes.twins
    )
    note_bundled(connection, changes, seq)


def note_bundled(connection: sqlite3.Connection, changes: Changes, seq: int) -> None:
    """Remember the ids of the texts in a bundle, so that forgetting finds it."""
    named = [one.id for one in changes.records]
    named += [id_ for one in changes.ledgers for id_ in (one.reply_id, *one.record_ids)]
    connection.executemany(
        "INSERT OR IGNORE INTO bundled VALUES (?, ?)", [(id_, seq) for id_ in named]
    )


def own_bundles(connection: sqlite3.Connection) -> list[OwnBundle]:
    """Return the files that this device has written, oldest first."""
    found = connection.execute(
        "SELECT first, last, revision, id, state FROM bundles ORDER BY last, first, revision"
    )
    return [OwnBundle(*row) for row in found]
