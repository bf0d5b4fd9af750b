"""The schema and its migrations. The number of the last one is the file's `user_version`.

A released migration is never edited: the golden databases in tests/golden hold every version.
Pending migrations run in one transaction, together with sqlite-utils' record that they ran.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

from lmort_memory.errors import NewerSchemaError, StoreError

__all__ = [
    "APPLICATION_ID",
    "TYPED",
    "VERSION",
    "checked_version",
    "migrate",
    "missing_tables",
    "refuse_other",
]

APPLICATION_ID = 0x4C4D4F52  # "LMOR", at offset 68 of the file
VERSION = 4

M001 = (
    # Times are microseconds since 1970 in UTC. `n` is never used twice, so that it can be a
    # watermark. `origin` is the digest that stores the same content of one origin once.
    """
    CREATE TABLE records (
        n INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        text TEXT NOT NULL,
        role TEXT NOT NULL,
        scope TEXT NOT NULL,
        session TEXT,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        expires_at INTEGER,
        metadata TEXT NOT NULL,
        source_uri TEXT,
        source_start INTEGER,
        source_end INTEGER,
        origin BLOB UNIQUE
    )""",
    "CREATE INDEX records_session ON records (session, scope, created_at) WHERE session NOT NULL",
    "CREATE INDEX records_source ON records (source_uri, scope) WHERE source_uri NOT NULL",
    "CREATE INDEX records_scope ON records (scope, created_at)",
    "CREATE INDEX records_expiry ON records (expires_at) WHERE expires_at NOT NULL",
    # FTS5 indexes the folded text (see words/tokenizer.py). It is kept here so that
    # deletes stay exact if the folding changes. Marks are part of words, for Devanagari and Arabic.
    """
    CREATE VIRTUAL TABLE words USING fts5 (
        body, tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
    )""",
    """
    CREATE TABLE spaces (
        s INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        dim INTEGER NOT NULL,
        deleted INTEGER NOT NULL DEFAULT 0
    )""",
    # One row per chunk; `vector` is float16, little-endian. `v` is never reused and grows in order
    # of commit: it is the watermark of the caches.
    """
    CREATE TABLE vectors (
        v INTEGER PRIMARY KEY AUTOINCREMENT,
        s INTEGER NOT NULL REFERENCES spaces ON DELETE CASCADE,
        n INTEGER NOT NULL REFERENCES records ON DELETE CASCADE,
        start INTEGER NOT NULL,
        stop INTEGER NOT NULL,
        vector BLOB NOT NULL
    )""",
    "CREATE INDEX vectors_record ON vectors (n, s)",
    "CREATE INDEX vectors_space ON vectors (s)",
    """
    CREATE TABLE history (
        h INTEGER PRIMARY KEY,
        n INTEGER NOT NULL REFERENCES records ON DELETE CASCADE,
        text TEXT NOT NULL,
        role TEXT NOT NULL,
        updated_at INTEGER NOT NULL,
        expires_at INTEGER,
        metadata TEXT NOT NULL
    )""",
    "CREATE INDEX history_record ON history (n)",
    """
    CREATE TABLE sources (
        uri TEXT NOT NULL,
        scope TEXT NOT NULL,
        digest TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL,
        stored_at INTEGER NOT NULL,
        PRIMARY KEY (uri, scope)
    )""",
    """
    CREATE TABLE ledger (
        reply_id TEXT PRIMARY KEY,
        session TEXT,
        created_at INTEGER NOT NULL,
        payload TEXT NOT NULL
    )""",
    """
    CREATE TABLE ledger_records (
        reply_id TEXT NOT NULL REFERENCES ledger ON DELETE CASCADE,
        record_id TEXT NOT NULL,
        PRIMARY KEY (reply_id, record_id)
    ) WITHOUT ROWID""",
    "CREATE INDEX ledger_record ON ledger_records (record_id)",
    # Must never hold a text: it outlives forgotten records.
    """
    CREATE TABLE audit (
        a INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        action TEXT NOT NULL,
        count INTEGER NOT NULL
    )""",
    # A forget that is committed but not cleaned up; finished at the next open.
    "CREATE TABLE purges (p INTEGER PRIMARY KEY, plan TEXT NOT NULL)",
    # Saved caches of a space: the valid file, its last vector, and the deletions it accounts for.
    """
    CREATE TABLE caches (
        s INTEGER NOT NULL REFERENCES spaces ON DELETE CASCADE,
        kind TEXT NOT NULL,
        file TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        watermark INTEGER NOT NULL,
        items INTEGER NOT NULL,
        deleted INTEGER NOT NULL,
        settings TEXT NOT NULL,
        PRIMARY KEY (s, kind)
    )""",
)

# Token codes of a chunk, in a separate table so that reading all vectors stays fast. They are
# deleted with their vector; a chunk has codes of only one kind.
M002_TOKEN_CODES = (
    """
    CREATE TABLE token_kinds (
        k INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        width INTEGER NOT NULL
    )""",
    """
    CREATE TABLE token_codes (
        v INTEGER PRIMARY KEY REFERENCES vectors ON DELETE CASCADE,
        k INTEGER NOT NULL REFERENCES token_kinds,
        codes BLOB NOT NULL
    )""",
)

# When a record is valid, and the id of the record that replaced it.
M003_SUPERSESSION = (
    "ALTER TABLE records ADD COLUMN valid_from INTEGER",
    "ALTER TABLE records ADD COLUMN valid_to INTEGER",
    "ALTER TABLE records ADD COLUMN superseded_by TEXT",
    "CREATE INDEX records_superseded ON records (superseded_by) WHERE superseded_by NOT NULL",
)

_NOW = "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"
_NOTED = "(SELECT recording AND NOT merging FROM replica)"
_NOTE = "INSERT INTO changes (id, part, at) VALUES (NEW.{id}, {part}, {now})"
_AGAIN = "ON CONFLICT (id, part) DO UPDATE SET at = excluded.at"


def _noting(name: str, event: str, part: str, *, id_: str = "id", when: str = "") -> str:
    """Return a trigger that notes a change for the other devices; nothing before the first sync."""
    note = _NOTE.format(id=id_, part=part, now=_NOW)
    return f"CREATE TRIGGER {name} AFTER {event} WHEN {_NOTED} {when} BEGIN {note} {_AGAIN}; END"


def _differs(*columns: str) -> str:
    return f"AND ({' OR '.join(f'OLD.{name} IS NOT NEW.{name}' for name in columns)})"


def _changing(part: str, value: str, *columns: str) -> str:
    event = f"UPDATE OF {', '.join(columns)} ON records"
    return _noting(f"records_{part}", event, value, when=_differs(*columns))


# This database as one replica among several (see replica/). Triggers note what changes, so that no
# write path can be missed; `merging` is set while the changes of other devices are applied.
M004_SYNC = (
    """
    CREATE TABLE replica (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        recording INTEGER NOT NULL DEFAULT 0,
        merging INTEGER NOT NULL DEFAULT 0,
        device TEXT,
        salt BLOB,
        first INTEGER NOT NULL DEFAULT 1,
        seq INTEGER NOT NULL DEFAULT 0,
        folder TEXT,
        synced_at INTEGER
    )""",
    "INSERT INTO replica (one) VALUES (1)",
    # Other devices, and the last of their bundles that was merged.
    """
    CREATE TABLE peers (
        device TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        seq INTEGER NOT NULL,
        read_at INTEGER NOT NULL
    )""",
    # What no bundle holds yet: `at` is the time of the change until it has a stamp.
    """
    CREATE TABLE changes (
        id TEXT NOT NULL, part TEXT NOT NULL, at INTEGER, PRIMARY KEY (id, part)
    ) WITHOUT ROWID""",
    # When and where a part of a record last changed; one that never did has no row.
    """
    CREATE TABLE stamps (
        id TEXT NOT NULL,
        part TEXT NOT NULL,
        at INTEGER NOT NULL,
        device TEXT NOT NULL,
        PRIMARY KEY (id, part)
    ) WITHOUT ROWID""",
    # Ids of forgotten records; never their texts, nor a digest of them.
    """
    CREATE TABLE tombstones (
        id TEXT PRIMARY KEY, published INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID""",
    # The same content, stored on two devices; the record keeps the smaller id, `main`.
    """
    CREATE TABLE twins (
        id TEXT NOT NULL,
        main TEXT NOT NULL,
        published INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (id, main)
    ) WITHOUT ROWID""",
    "CREATE INDEX twins_main ON twins (main)",
    # This device's files, intended, written or replaced, and the ids of the texts in them.
    """
    CREATE TABLE bundles (
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        id TEXT NOT NULL,
        state TEXT NOT NULL,
        PRIMARY KEY (first, last, revision)
    )""",
    """
    CREATE TABLE bundled (
        id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (id, seq)
    ) WITHOUT ROWID""",
    _noting("records_added", "INSERT ON records", "'text'"),
    _changing("text", "'text'", "text", "role", "updated_at"),
    _changing("attributes", "'v' || NEW.updated_at", "metadata", "expires_at"),
    _changing("place", "'place'", "created_at", "source_start", "source_end"),
    _changing("begin", "'begin'", "valid_from"),
    # Losing a forgotten successor is not a change of its own: every device sees to it.
    _noting(
        "records_end",
        "UPDATE OF valid_to, superseded_by ON records",
        "'end'",
        when="AND (OLD.valid_to IS NOT NEW.valid_to OR"
        " IFNULL(NEW.superseded_by, OLD.superseded_by) IS NOT OLD.superseded_by)",
    ),
    _noting("ledger_added", "INSERT ON ledger", "'ledger'", id_="reply_id"),
    # Forgetting is final, also where it comes before the first sync: a copy of this database may
    # be synced with it.
    """
    CREATE TRIGGER records_forgotten AFTER DELETE ON records
    WHEN NOT (SELECT merging FROM replica) BEGIN
        INSERT OR IGNORE INTO tombstones (id) VALUES (OLD.id);
        DELETE FROM changes WHERE id = OLD.id AND part != 'ledger';
        DELETE FROM stamps WHERE id = OLD.id;
    END""",
    # Without sync, restoring an export or a backup brings back what is in it.
    """
    CREATE TRIGGER records_restored AFTER INSERT ON records
    WHEN NOT (SELECT recording FROM replica) BEGIN
        DELETE FROM tombstones WHERE id = NEW.id;
    END""",
    """
    CREATE TRIGGER ledger_deleted AFTER DELETE ON ledger BEGIN
        DELETE FROM changes WHERE id = OLD.reply_id AND part = 'ledger';
    END""",
)


def checked_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version, 0 for a new file.

    Raises:
        StoreError: another program's database, or a newer schema.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if not application and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(
            f"cannot open {path}: found the database of another program — name another with --db"
        )
    refuse_other(path, application, version)
    return version


# Tables whose rows are read into values of this program.
TYPED = (
    *("records", "history", "sources", "spaces", "vectors", "token_kinds", "token_codes"),
    *("ledger", "ledger_records", "replica", "peers", "changes", "stamps", "tombstones"),
    *("twins", "bundles", "bundled"),
)


_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"  # a view of that name is none


def missing_tables(connection: sqlite3.Connection) -> list[str]:
    """Return the tables of the latest schema that a database lacks."""
    made = re.findall(
        r"CREATE (?:VIRTUAL )?TABLE (\w+)", " ".join(M001 + M002_TOKEN_CODES + M004_SYNC)
    )
    there = {name for (name,) in connection.execute(_TABLES)}
    return [name for name in made if name not in there]


def refuse_other(path: Path, application: int, version: int) -> None:
    """Raise StoreError unless the header has our application id and a schema we can read."""
    if application == 0 and version == 0:
        return  # new, or its creation was interrupted; `checked_version` looks for tables
    if application != APPLICATION_ID:
        raise StoreError(
            f"cannot open {path}: found the database of another program (application id "
            f"{application:#x}, expected {APPLICATION_ID:#x}) — name another with --db"
        )
    if version > VERSION:
        raise NewerSchemaError(
            f"cannot open {path}: it has schema {version}, this version reads up to {VERSION} — "
            "upgrade lmort-memory; the file was not touched"
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Migrate to the latest schema inside the caller's transaction, rechecking under its lock."""
    if checked_version(connection, path) == VERSION:
        return
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    migrations = Migrations("lmort-memory")

    @migrations(name="m001_first")
    def m001_first(db: Any) -> None:  # noqa: ANN401 - sqlite-utils publishes no types
        for statement in M001:
            db.execute(statement)

    @migrations(name="m002_token_codes")
    def m002_token_codes(db: Any) -> None:  # noqa: ANN401 - sqlite-utils publishes no types
        for statement in M002_TOKEN_CODES:
            db.execute(statement)

    @migrations(name="m003_supersession")
    def m003_supersession(db: Any) -> None:  # noqa: ANN401 - sqlite-utils publishes no types
        for statement in M003_SUPERSESSION:
            db.execute(statement)

    @migrations(name="m004_sync")
    def m004_sync(db: Any) -> None:  # noqa: ANN401 - sqlite-utils publishes no types
        for statement in M004_SYNC:
            db.execute(statement)

    migrations.apply(Database(connection, recursive_triggers=False, execute_plugins=False))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
