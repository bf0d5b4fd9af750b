"""PostgreSQL keeps the contract of every store, and a dictionary's after any steps."""

import pytest
from hypothesis import settings

from lmort_memory.store.postgres.store import PostgresStore
from lmort_memory.testing.store_contract import CHECKS
from tests.property.test_store_machine import GRAPH_FROM, StoreMachine


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check, postgres):
    """Every check that any store has to pass."""
    check(postgres.open())


def test_machine(running):
    """A store equals a dictionary and brute force after any sequence of steps."""

    class Machine(StoreMachine):
        def open_store(self):
            if not hasattr(self, "url"):
                self.url = running.url(schema=running.fresh_schema(), pool_size=2)
            return PostgresStore(self.url, graph_from=GRAPH_FROM)

    Machine.TestCase.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)
    Machine.TestCase("runTest").runTest()
