"""SQLite holds all data; the search indexes beside it are caches that can be deleted at any time.

    SQLiteStore (sqlite.py)        protocol.py: what any store can do; values.py: in which values
      ├── connection.py, schema.py    one file, many threads and processes; tables, migrations
      ├── file_checks.py, sqlite_errors.py   whose file it is; what went wrong, and what helps
      ├── records/       keeping.py, order.py, sources, ledgers; filters.py: a Filter as SQL
      ├── words/         BM25 under a filter
      ├── vectors/       the nearest vectors under a filter: exactly, or with HNSW
      ├── deleting/      forgetting without a trace
      ├── replica/       what changed here, for other devices, and how theirs merges
      └── upkeep.py      damage, copies

This package knows no model: vectors are arrays in a named space.
"""

from lmort_memory.store.protocol import Store
from lmort_memory.store.replica.state import Peer, Replica
from lmort_memory.store.sqlite import SQLiteStore
from lmort_memory.store.values import Filter, Receipt, SpaceInfo, StoreStatus

__all__ = [
    "Filter",
    "Peer",
    "Receipt",
    "Replica",
    "SQLiteStore",
    "SpaceInfo",
    "Store",
    "StoreStatus",
]
