"""Write the golden database of the present schema: `python tests/golden/make_database.py`.

Once a schema is released its file stays as it is; a new schema gets a new file.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from lmort_memory.store import SQLiteStore, schema
from lmort_memory.store.values import LedgerEntry, SourceState
from lmort_memory.testing import HashEncoder
from lmort_memory.types import Source, Turn

ENCODER = HashEncoder(16, name="golden", tokens=True)
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def main() -> None:
    """Fill every table with something that the test looks for."""
    path = Path(__file__).with_name(f"schema-{schema.VERSION}.db")
    path.unlink(missing_ok=True)
    turns = [
        Turn("Ada keeps bees in Trondheim", session="talk", created_at=WHEN, metadata={"n": 1}),
        Turn("我姐姐在東京養蜜蜂", role="note", scope="home", created_at=WHEN),
    ]
    with SQLiteStore(path) as store:
        encoded = ENCODER.encode([turn.text for turn in turns])
        stored = store.add(turns, space=ENCODER.space, encoded=encoded)
        first, second = (one.record for one in stored)
        store.update(first.id, Turn("Ada keeps bees in Bergen", metadata={"n": 2}))
        note = Turn("A paragraph.", source=Source("file:///note.md", 0, 12))
        store.replace_source(SourceState("file:///note.md", "d", 12, 7), [note], scope="default")
        store.add_ledger(LedgerEntry("reply", "talk", (first.id,), {"why": "asked"}))
        store.supersede(first.id, second.id)
        store.compact()


if __name__ == "__main__":
    main()
