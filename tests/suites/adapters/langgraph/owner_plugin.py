"""A pytest plugin: the tests of LangGraph's own stores, run against ours.

They make their stores themselves, so the names that they import are ours here. Where a test brings
embeddings, the memory's encoder is made of them.
"""
# ruff: noqa: D101, D102 - what these do is said by their owner

import asyncio
import os
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import langgraph.store.memory

from lmort_memory import Memory
from lmort_memory.adapters.langchain import EmbeddingsEncoder
from lmort_memory.adapters.langgraph import MemoryStore
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder

MODE = os.environ.get("LMORT_MODE", "dense")


class Store(MemoryStore):
    """Made as their stores are: from an index configuration."""

    def __init__(self, *, index=None, ttl=None):
        encoder = HashEncoder()
        fields = ["$"]
        if index:
            encoder = EmbeddingsEncoder(index["embed"], name="theirs")
            fields = index.get("fields") or index.get("text_fields") or ["$"]
        folder = Path(tempfile.mkdtemp())
        super().__init__(
            Memory(encoder, SQLiteStore(folder / "memory.db")), fields=fields, ttl=ttl, mode=MODE
        )
        self.index_config = index
        self.embeddings = index and index["embed"]

    def setup(self):
        pass

    @classmethod
    @contextmanager
    def from_conn_string(cls, _, *, index=None, ttl=None):
        store = cls(index=index, ttl=ttl)
        yield store
        store.stop_ttl_sweeper()


class AsyncStore(Store):
    def __init__(self, **config):
        super().__init__(**config)
        self.loop = asyncio.get_running_loop()

    async def setup(self):
        pass

    async def sweep_ttl(self):
        return await asyncio.to_thread(Store.sweep_ttl, self)

    async def start_ttl_sweeper(self, minutes=None):
        minutes = minutes or (self.ttl_config or {}).get("sweep_interval_minutes") or 5

        async def sweep():
            while True:
                await asyncio.sleep(minutes * 60)
                await self.sweep_ttl()

        self.task = asyncio.create_task(sweep())

    async def stop_ttl_sweeper(self):
        self.task.cancel()

    @classmethod
    @asynccontextmanager
    async def from_conn_string(cls, _, *, index=None, ttl=None):
        yield cls(index=index, ttl=ttl)


langgraph.store.memory.InMemoryStore = Store
try:
    import langgraph.store.sqlite as theirs
    import langgraph.store.sqlite.aio as theirs_async
except ImportError:
    pass
else:
    theirs.AsyncSqliteStore = theirs_async.AsyncSqliteStore = AsyncStore
    theirs.SqliteStore = Store


NOT_OURS = {
    "test_vector_store_initialization": "looks at tables of sqlite-vec",
    "test_nonnull_migrations": "looks at SqliteStore's migrations",
    "test_sql_injection_vulnerability": "wants quotes in a filter's key refused; ours are data",
    "test_no_running_loop": "wants synchronous methods refused in a loop; ours may be called",
    "test_ttl_override_default": "reads an item at 2 s and wants it gone 5 s after the write;"
    " reading renews it, as TTLConfig.refresh_on_read says",
}


def pytest_collection_modifyitems(config, items):
    """Leave out what is about the inside of theirs."""
    of_sqlite = [one for one in items if hasattr(one.module, "SqliteStore")]
    of_sqlite += [one for one in items if hasattr(one.module, "AsyncSqliteStore")]
    gone = [one for one in of_sqlite if one.name.split("[")[0] in NOT_OURS]
    items[:] = [one for one in items if one not in gone]
    config.hook.pytest_deselected(items=list(dict.fromkeys(gone)))
