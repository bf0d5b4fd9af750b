"""SQLite keeps everything; what makes it fast is a cache that can be deleted at any time.

    SQLiteStore (sqlite.py)
      ├── connection.py   one file, many threads and processes; errors in our words
      ├── schema.py       tables and migrations
      ├── rows.py         Turn and Record as rows
      ├── filters.py      Filter as SQL; lexical.py: words for FTS5
      └── dense.py        nearest vectors under a filter; matrix.py: exact cosine in float16

Nothing here knows a model: vectors come and go as arrays of a named space.
"""

from lmort_memory.store.sqlite import SQLiteStore
from lmort_memory.store.values import Filter, Receipt, Store

__all__ = ["Filter", "Receipt", "SQLiteStore", "Store"]
