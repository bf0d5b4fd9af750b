"""The public contract suite, on SQLite."""

import pytest

from lmort_memory.store import SQLiteStore
from lmort_memory.testing import check_store
from lmort_memory.testing.store_contract import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_sqlite_fulfils(check, tmp_path):
    """SQLiteStore passes each check of the contract."""
    with SQLiteStore(tmp_path / "memory.db") as store:
        check(store)


def test_check_store_runs_all_of_them(tmp_path):
    """`check_store` passes for SQLite and names the check that another store breaks."""
    made = iter(range(100))
    check_store(lambda: SQLiteStore(tmp_path / f"{next(made)}.db"))

    class Forgetful(SQLiteStore):
        def get(self, ids):
            return {}

    with pytest.raises(AssertionError, match="keeps_every_field: get returns another record"):
        check_store(lambda: Forgetful(tmp_path / f"{next(made)}.db"))
