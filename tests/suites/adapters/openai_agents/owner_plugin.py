"""A pytest plugin: the Agents SDK's own tests of its sessions, run against ours."""
# ruff: noqa: D102 - what these do is said by their owner

import tempfile
from pathlib import Path

import agents
import agents.memory

from lmort_memory import Memory
from lmort_memory.adapters.openai_agents import MemorySession
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder


class Session(MemorySession):
    """Made as theirs is: from a path."""

    def __init__(self, session_id, db_path=":memory:", *, session_settings=None):
        if str(db_path) == ":memory:":
            db_path = Path(tempfile.mkdtemp()) / "memory.db"
        memory = Memory(HashEncoder(), SQLiteStore(db_path))
        super().__init__(session_id, memory, session_settings=session_settings)

    def close(self):
        self.memory.close()


agents.SQLiteSession = agents.memory.SQLiteSession = Session


_INSIDE = "looks into SQLiteSession: its connections, locks, tables or rows"
NOT_OURS = dict.fromkeys(
    (
        "test_sqlite_session_close_closes_worker_thread_connections",
        "test_sqlite_session_close_retries_quarantined_connection",
        "test_sqlite_session_closed_rejects_empty_add_items",
        "test_sqlite_session_closes_retired_connections_before_the_next_allocation",
        "test_sqlite_session_failed_add_items_releases_write_lock",
        "test_sqlite_session_failed_clear_session_rolls_back",
        "test_sqlite_session_failed_pop_item_releases_write_lock",
        "test_sqlite_session_file_lock_is_shared_across_instances",
        "test_sqlite_session_get_items_limit_skips_corrupt_newest_rows",
        "test_sqlite_session_get_items_session_settings_limit_skips_corrupt_rows",
        "test_sqlite_session_keeps_connections_of_live_worker_threads",
        "test_sqlite_session_pop_item_returns_none_after_dropping_only_corrupt_rows",
        "test_sqlite_session_pop_item_skips_corrupt_most_recent",
        "test_sqlite_session_post_commit_cancellation_propagates_after_known_outcome",
        "test_sqlite_session_reaps_connections_from_exited_worker_threads",
        "test_sqlite_session_rollback_failure_evicts_connection",
    ),
    _INSIDE,
)


def pytest_collection_modifyitems(config, items):
    """Leave out what is about the inside of theirs."""
    gone = [one for one in items if one.name.split("[")[0] in NOT_OURS]
    items[:] = [one for one in items if one not in gone]
    config.hook.pytest_deselected(items=gone)
