"""Records as rows: kept, changed, in their order, with their sources and ledgers.

The classes here are `SQLiteStore` in parts, each of which has one part of
`lmort_memory.store.protocol` to do: `SQLiteRecords` (keeping.py), `SQLiteOrder` (order.py) and
`SQLiteMoving` (moving.py). They share the store's `Database`.
"""
