"""Databases of every schema that was ever released still open, and nothing in them is lost."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lmort_memory.store import Filter, SQLiteStore, schema
from lmort_memory.store.values import LedgerEntry, SourceState
from lmort_memory.testing import HashEncoder
from lmort_memory.types import Source

HERE = Path(__file__).parent
ENCODER = HashEncoder(16, name="golden")
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_every_schema_has_its_database():
    """No version of the schema is without a golden database."""
    expected = {f"schema-{version}.db" for version in range(1, schema.VERSION + 1)}
    assert {file.name for file in HERE.glob("*.db")} == expected


@pytest.mark.parametrize("version", range(1, schema.VERSION + 1))
def test_an_old_database_keeps_everything(version, tmp_path):
    """Records, history, vectors, words, sources and ledger of an old file are all there."""
    path = tmp_path / "memory.db"
    shutil.copyfile(HERE / f"schema-{version}.db", path)
    with SQLiteStore(path) as store:
        ada, tokyo, note = sorted(store.records(Filter()), key=lambda record: record.id)
        assert (ada.text, ada.metadata, ada.session) == (
            "Ada keeps bees in Bergen",
            {"n": 2},
            "talk",
        )
        if version >= 3:
            assert (ada.superseded_by, ada.valid_to, tokyo.valid_from) == (tokyo.id, WHEN, WHEN)
        assert (ada.created_at, tokyo.scope, tokyo.role) == (WHEN, "home", "note")
        assert note.source == Source("file:///note.md", 0, 12)
        texts = [one.text for one in store.history(ada.id)]
        assert texts == ["Ada keeps bees in Trondheim", "Ada keeps bees in Bergen"]
        assert [match.id for match in store.lexical("東京", Filter(), limit=5)] == [tokyo.id]
        query = ENCODER.encode_query(tokyo.text)
        [match] = store.dense(ENCODER.space, query, Filter(), limit=1)
        assert (match.id, round(match.score, 3)) == (tokyo.id, 1.0)
        kept = store.vectors(ENCODER.space, [tokyo.id])[tokyo.id].tokens
        assert (kept is not None) == (version >= 2), "codes of tokens came with schema 2"
        assert store.source_state("file:///note.md", scope="default") == SourceState(
            "file:///note.md", "d", 12, 7
        )
        entry = LedgerEntry("reply", "talk", (ada.id,), {"why": "asked"})
        assert store.ledgers(record_id=ada.id, limit=9) == [entry]
        assert store.verify().ok
        assert store.forget(Filter(ids=(ada.id,))).records == 1
