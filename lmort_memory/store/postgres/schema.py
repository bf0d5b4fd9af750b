"""Tables, migrations and row-level security.

A released migration is never edited. All pending ones run in one transaction under an advisory
lock. Every table whose rows belong to somebody has a column `scope`, which the policies compare.

The owner of the tables sees everything. Any other role sees the scope it is bound to in `tenants`;
one that is bound to none sees the scope that `?scope=` names, and nothing without it.
"""

from __future__ import annotations

from lmort_memory.errors import NewerSchemaError, StoreError
from lmort_memory.store.postgres.address import Address
from lmort_memory.store.postgres.connection import Connection

__all__ = ["TABLES", "VERSION", "is_owner", "migrate", "refuse_other"]

VERSION = 1
LEAST_SERVER = 16
LEAST_PGVECTOR = (0, 8)  # iterative scans
TABLES = (
    "records",
    "words",
    "vectors",
    "token_codes",
    "history",
    "sources",
    "ledger",
    "ledger_records",
)  # those with a scope

M001 = """
CREATE TABLE records (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    text text NOT NULL,
    role text NOT NULL,
    scope text COLLATE "C" NOT NULL,
    session text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    expires_at bigint,
    metadata text NOT NULL,
    source_uri text COLLATE "C",
    source_start bigint,
    source_end bigint,
    valid_from bigint,
    valid_to bigint,
    superseded_by text COLLATE "C",
    origin bytea UNIQUE,
    seen text
);
COMMENT ON COLUMN records.seen IS 'the run of replace_source that last met this record';
CREATE INDEX records_session ON records (session, scope, created_at, n) WHERE session IS NOT NULL;
CREATE INDEX records_source ON records (source_uri, scope) WHERE source_uri IS NOT NULL;
CREATE INDEX records_scope ON records (scope, created_at);
CREATE INDEX records_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX records_superseded ON records (superseded_by) WHERE superseded_by IS NOT NULL;

CREATE TABLE words (
    n bigint PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    scope text COLLATE "C" NOT NULL,
    body tsvector NOT NULL,
    stems bytea NOT NULL
);
COMMENT ON COLUMN words.stems IS 'uint32 hashes of the stems in order: BM25 counts them';
CREATE INDEX words_body ON words USING gin (body);
CREATE INDEX words_scope ON words (scope);

CREATE TABLE spaces (
    s integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    dim integer NOT NULL
);
CREATE TABLE vectors (
    v bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    s integer NOT NULL REFERENCES spaces,
    n bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    scope text COLLATE "C" NOT NULL,
    chunk integer NOT NULL,
    start integer NOT NULL,
    stop integer NOT NULL,
    vector halfvec NOT NULL
);
CREATE UNIQUE INDEX vectors_record ON vectors (n, s, chunk);
CREATE INDEX vectors_space ON vectors (s, chunk);
CREATE INDEX vectors_scope ON vectors (scope, s);
CREATE TABLE token_kinds (
    k integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    width integer NOT NULL
);
CREATE TABLE token_codes (
    v bigint PRIMARY KEY REFERENCES vectors ON DELETE CASCADE,
    scope text COLLATE "C" NOT NULL,
    k integer NOT NULL REFERENCES token_kinds,
    codes bytea NOT NULL
);
CREATE TABLE history (
    h bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    n bigint NOT NULL REFERENCES records ON DELETE CASCADE,
    scope text COLLATE "C" NOT NULL,
    text text NOT NULL,
    role text NOT NULL,
    updated_at bigint NOT NULL,
    expires_at bigint,
    metadata text NOT NULL
);
CREATE INDEX history_record ON history (n);
CREATE TABLE sources (
    uri text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    digest text NOT NULL,
    size_bytes bigint NOT NULL,
    modified_ns bigint NOT NULL,
    stored_at bigint NOT NULL,
    PRIMARY KEY (uri, scope)
);
CREATE TABLE ledger (
    reply_id text COLLATE "C" PRIMARY KEY,
    scope text COLLATE "C" NOT NULL,
    session text,
    created_at bigint NOT NULL,
    payload text NOT NULL
);
CREATE TABLE ledger_records (
    reply_id text COLLATE "C" NOT NULL REFERENCES ledger ON DELETE CASCADE,
    record_id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    PRIMARY KEY (reply_id, record_id)
);
CREATE INDEX ledger_session ON ledger (session, created_at);
CREATE INDEX ledger_record ON ledger_records (record_id);
CREATE TABLE audit (
    a bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    action text NOT NULL,
    count bigint NOT NULL
);
COMMENT ON TABLE audit IS 'must never hold a text: it outlives forgotten records';
CREATE TABLE tenants (role text PRIMARY KEY, scope text COLLATE "C" NOT NULL);
COMMENT ON TABLE tenants IS 'roles that are bound to a scope; see grant_access';
"""

# The functions run as the owner of the tables, so their search_path is fixed.
FUNCTIONS = """
CREATE FUNCTION tenant() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = "{schema}", pg_temp AS $$
    SELECT coalesce((SELECT t.scope FROM tenants t WHERE t.role = session_user),
                    nullif(current_setting('lmort.scope', true), ''))
$$;
-- The row numbers that match, as far as the caller may see them. A policy would keep PostgreSQL
-- from using the index of the words, because the operator @@ is not leakproof.
CREATE FUNCTION matching(asked tsquery) RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = "{schema}", pg_temp AS $$
    SELECT w.n FROM words w WHERE w.body @@ asked
    AND (w.scope = tenant() OR (w.scope >= tenant() || '/' AND w.scope < tenant() || '0'))
$$;
CREATE PROCEDURE grant_access(role_name text, only_scope text DEFAULT NULL) LANGUAGE plpgsql
SET search_path = "{schema}", pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', '{schema}', role_name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO %I', role_name);
    EXECUTE format('GRANT SELECT, INSERT ON spaces, token_kinds TO %I', role_name);
    EXECUTE format('GRANT SELECT ON schema_version TO %I', role_name);
    EXECUTE format('GRANT INSERT ON audit TO %I', role_name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION tenant(), matching(tsquery) TO %I', role_name);
    DELETE FROM tenants WHERE role = role_name;
    IF only_scope IS NOT NULL THEN
        INSERT INTO tenants VALUES (role_name, only_scope);
    END IF;
END $$;
REVOKE ALL ON FUNCTION tenant(), matching(tsquery) FROM PUBLIC;
REVOKE ALL ON PROCEDURE grant_access(text, text) FROM PUBLIC;
"""
POLICY = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_scope ON {table} USING (
    scope = (SELECT tenant())
    OR (scope >= (SELECT tenant()) || '/' AND scope < (SELECT tenant()) || '0')
);
"""
AUDIT_POLICY = """
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY append_only ON audit FOR INSERT WITH CHECK (true);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
"""


def refuse_other(connection: Connection, address: Address) -> int:
    """Return the version of the schema, 0 where there is none.

    Raises:
        StoreError: it is newer than this version, or another program's.
    """
    # Not `to_regclass`, whose cache may be older than the lock of `migrate`.
    found = connection.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname IN ('schema_version', 'records')",
        [address.schema],
    ).fetchall()
    there = {name for (name,) in found}
    if "schema_version" not in there:
        if there:
            raise StoreError(
                f"cannot open {address.shown}: the schema {address.schema} has a table `records` of"
                " another program — choose another with ?schema=NAME"
            )
        return 0
    version = int(connection.execute("SELECT max(version) FROM schema_version").fetchone()[0])
    if version > VERSION:
        raise NewerSchemaError(
            f"cannot open {address.shown}: it has schema {version}, this version reads up to"
            f" {VERSION} — upgrade lmort-memory; the database was not touched"
        )
    return version


def migrate(connection: Connection, address: Address) -> None:
    """Create or upgrade the tables inside the caller's transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('lmort-memory migration'))")
    version = refuse_other(connection, address)
    if version == VERSION:
        return
    _need_pgvector(connection, address)
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{address.schema}"')
    connection.execute("CREATE TABLE schema_version (version integer NOT NULL)")
    connection.execute(M001)
    connection.execute(FUNCTIONS.format(schema=address.schema, tables=", ".join(TABLES)))
    for table in TABLES:
        connection.execute(POLICY.format(table=table))
    connection.execute(AUDIT_POLICY)
    connection.execute("INSERT INTO schema_version VALUES (%s)", [VERSION])


def is_owner(connection: Connection) -> bool:
    """Whether row-level security does not apply to this role: it owns the tables, or may bypass."""
    return not connection.execute("SELECT row_security_active('records')").fetchone()[0]


def _need_pgvector(connection: Connection, address: Address) -> None:
    if (server := connection.info.server_version // 10_000) < LEAST_SERVER:
        raise StoreError(
            f"cannot open {address.shown}: it is PostgreSQL {server} — upgrade to {LEAST_SERVER} or"
            " newer"
        )
    found = connection.execute(
        "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    ).fetchone()
    if found is None:
        offered = connection.execute(
            "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
        ).fetchone()
        if offered is None:
            raise StoreError(
                f"cannot open {address.shown}: the server lacks pgvector — install it there"
                " (Debian: apt install postgresql-NN-pgvector)"
            )
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        found = offered
    version = tuple(int(part) for part in found[0].split(".")[:2])
    if version < LEAST_PGVECTOR:
        raise StoreError(
            f"cannot open {address.shown}: it has pgvector {found[0]}, which cannot search under a"
            " filter — install 0.8 or newer and run: ALTER EXTENSION vector UPDATE"
        )
