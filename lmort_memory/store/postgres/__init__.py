"""The same store in PostgreSQL with pgvector: many machines, many users, one memory.

    PostgresStore (store.py)
      ├── address.py        a URL, its options, and how to show it without its password
      ├── connection.py     pool, transactions, retries
      ├── schema.py         tables, migrations, row-level security
      ├── filters.py        a Filter in PostgreSQL's SQL
      ├── keeping.py, order.py, moving.py   the parts of the protocol that are about records
      ├── records.py, sources.py, ledgers.py, deleting.py
      ├── stems.py, words.py   tsvector finds the rows, BM25 ranks them
      └── vectors.py, nearest.py   pgvector: exactly, or with HNSW on halfvec

Needs the extra `postgres`. Nothing here is imported until a database's name is a URL.
"""
