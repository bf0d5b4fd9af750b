"""A pytest plugin: the Agents SDK's own tests of its sessions, run against ours."""

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
