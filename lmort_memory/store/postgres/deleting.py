"""Forgetting: rows of every table in one transaction, then the pages that held them.

PostgreSQL keeps deleted rows until they are vacuumed, and copies of everything written in its log.
So a receipt of this store says what it cannot promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lmort_memory.errors import StoreError
from lmort_memory.store.clock import now_us
from lmort_memory.store.deleting.rows import FREED, ORPHANS, TEXTS
from lmort_memory.store.filters import Condition
from lmort_memory.store.postgres.connection import Connection, Server, marked
from lmort_memory.store.postgres.filters import condition_of
from lmort_memory.store.postgres.schema import TABLES
from lmort_memory.store.postgres.words import quoting
from lmort_memory.store.values import Filter, Receipt

__all__ = ["Erased", "erase", "forget", "quoted_by_others", "sweep", "vacuum"]

LOOK_FOR = 32  # texts whose quotes are looked for
MOST_QUOTES = 100
LEDGER = """
DELETE FROM ledger WHERE reply_id IN (SELECT reply_id FROM ledger_records
    WHERE record_id IN (SELECT id FROM doomed) UNION SELECT id FROM doomed)
"""
KEPT = (
    "deleted from every table; the server's write-ahead log and its archives, replicas, base"
    " backups and dumps may still hold the texts until they expire"
)
PRUNED = "data pages are pruned; indexes drop their entries at the next VACUUM (`lmort-mem gc`)"
UNPRUNED = "this role may not run VACUUM: until autovacuum does, data pages hold the old rows"


@dataclass(frozen=True, slots=True)
class Erased:
    """What one transaction deleted; `texts` are some of the texts."""

    records: int = 0
    vectors: int = 0
    history: int = 0
    ledger: int = 0
    texts: tuple[str, ...] = ()


def erase(connection: Connection, condition: Condition, *, texts: int = 0) -> Erased:
    """Delete the records that meet a condition on `records r`, inside a transaction."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.doomed")
    connection.execute(
        "CREATE TEMP TABLE doomed ON COMMIT DROP AS"
        f" SELECT r.n, r.id, r.source_uri, r.scope FROM records r WHERE {condition[0]}",
        condition[1],
        prepare=False,
    )
    found = tuple(text for (text,) in connection.execute(marked(TEXTS), [texts], prepare=False))
    erased = Erased(
        ledger=connection.execute(LEDGER, prepare=False).rowcount,
        vectors=_delete(connection, "vectors"),
        history=_delete(connection, "history"),
        records=_delete(connection, "records"),
        texts=found,
    )
    for statement in (FREED, ORPHANS):
        connection.execute(statement, prepare=False)
    connection.execute("DROP TABLE pg_temp.doomed")
    return erased


def forget(server: Server, chosen: Filter, *, vacuums: bool) -> Receipt:
    """Delete the chosen records, and prune the pages that held them."""
    condition = condition_of(chosen)

    def work(connection: Connection) -> tuple[Erased, tuple[str, ...]]:
        erased = erase(connection, condition, texts=LOOK_FOR)
        if not erased.records:
            return erased, ()
        connection.execute(
            "INSERT INTO audit (at, action, count) VALUES (%s, 'forget', %s)",
            [now_us(), erased.records],
        )
        return erased, tuple(quoting(connection, erased.texts, limit=MOST_QUOTES))

    erased, quoted_by = server.write("forget in", work)
    if not erased.records:
        return Receipt()
    pruned = vacuums and vacuum(server, indexes=False)
    return Receipt(
        records=erased.records,
        vectors=erased.vectors,
        history=erased.history,
        ledger=erased.ledger,
        verified=False,
        quoted_by=quoted_by,
        limits=(KEPT, PRUNED if pruned else UNPRUNED),
    )


def sweep(server: Server, *, vacuums: bool) -> Receipt:
    """Forget expired records."""
    old = server.read(
        "read",
        lambda c: c.execute("SELECT id FROM records WHERE expires_at <= %s", [now_us()]).fetchall(),
    )
    if not old:
        return Receipt()
    chosen = Filter(ids=tuple(id_ for (id_,) in old), expired=True)
    return forget(server, chosen, vacuums=vacuums)


def quoted_by_others(connection: Connection, chosen: Filter) -> list[str]:
    """Return the ids of other records that quote the chosen ones."""
    condition, values = condition_of(chosen)
    texts = connection.execute(
        f"SELECT r.id, r.text FROM records r WHERE {condition} LIMIT %s", [*values, LOOK_FOR]
    ).fetchall()
    own = {id_ for id_, _ in texts}
    found = quoting(connection, [text for _, text in texts], limit=MOST_QUOTES + len(own))
    own |= _chosen_of(connection, (condition, values), found)
    return [id_ for id_ in found if id_ not in own][:MOST_QUOTES]


def vacuum(server: Server, *, indexes: bool) -> bool:
    """Remove deleted rows from the data pages, and from the indexes too; False if not allowed.

    Without `indexes` it takes milliseconds: pages that nothing changed on are skipped.
    """
    options = "INDEX_CLEANUP ON, ANALYZE" if indexes else "INDEX_CLEANUP OFF, TRUNCATE OFF"
    named = ", ".join(TABLES)

    def work(connection: Connection) -> None:
        connection.execute("SET client_min_messages = error")  # a warning for each refused table
        try:
            connection.execute(f"VACUUM ({options}) {named}")
        finally:
            connection.execute("RESET client_min_messages")

    try:
        server.read("compact", work)
    except StoreError:
        return False
    return True


def _delete(connection: Connection, table: str) -> int:
    sql = f"DELETE FROM {table} WHERE n IN (SELECT n FROM doomed)"
    return int(connection.execute(sql, prepare=False).rowcount)


def _chosen_of(connection: Connection, condition: Condition, ids: Sequence[str]) -> set[str]:
    """Return which of these records are chosen too: of many, not all were looked at."""
    sql, values = condition
    found = connection.execute(
        f"SELECT r.id FROM records r WHERE {sql} AND r.id = ANY (%s)", [*values, list(ids)]
    )
    return {id_ for (id_,) in found}
