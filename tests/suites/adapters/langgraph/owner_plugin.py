"""A pytest plugin: the tests of LangGraph's own stores, run against ours.

They make their stores themselves, so the names that they import are ours here. Where a test brings
embeddings, the memory's encoder is made of them.
"""

import asyncio
import os
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import langgraph.store.memory
import numpy as np

from lmort_memory import Encoded, Memory
from lmort_memory.adapters.langgraph import MemoryStore
from lmort_memory.store import SQLiteStore
from lmort_memory.testing import HashEncoder

MODE = os.environ.get("LMORT_MODE", "dense")


class EmbeddingsEncoder:
    """LangChain embeddings as an encoder of ours: one vector for each text."""

    def __init__(self, embeddings, dims):
        self._embeddings, self.dim, self.space = embeddings, dims, f"langchain-{dims}"

    def encode(self, texts, *, progress=None):
        vectors = np.asarray(self._embeddings.embed_documents(list(texts)), np.float32)
        return [Encoded(one[None], ((0, len(text)),)) for one, text in zip(vectors, texts)]

    def encode_query(self, text):
        return np.asarray(self._embeddings.embed_query(text), np.float32)


class Store(MemoryStore):
    """Made as their stores are: from an index configuration."""

    def __init__(self, *, index=None, ttl=None):
        encoder = HashEncoder()
        fields = ["$"]
        if index:
            encoder = EmbeddingsEncoder(index["embed"], index["dims"])
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
