"""SQLite keeps everything; what makes it fast is a cache that can be deleted at any time.

    SQLiteStore (sqlite.py)
      ├── connection.py   one file, many threads and processes; errors in our words
      ├── schema.py       tables and migrations
      ├── rows.py         Turn and Record as rows
      ├── filters.py      Filter as SQL
      ├── words.py        BM25 under a filter; lexical.py: how any text becomes words for FTS5
      └── dense.py        nearest vectors: look.py, narrow.py under a filter; matrix.py exactly,
                          graph.py approximately; refresh.py keeps the files of both

Nothing here knows a model: vectors come and go as arrays of a named space.
"""

from lmort_memory.store.protocol import Store
from lmort_memory.store.sqlite import SQLiteStore
from lmort_memory.store.values import Filter, Receipt

__all__ = ["Filter", "Receipt", "SQLiteStore", "Store"]
