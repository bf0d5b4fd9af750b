"""One database as a replica among several: what changed here, and how changes from elsewhere merge.

    state.py         a record with everything that merges, as a value
    join.py          two states of a record become one: commutative, associative, idempotent
    rows.py          a state as rows, and rows as a state
    twins.py         the same content stored on two devices: one record
    applying.py      changes of another device, in one transaction
    log.py           changes of this device, waiting to be published
    replication.py   all of it, as `SQLiteStore.replication` returns it

Triggers of the schema note what changes (see `schema.M004_SYNC`), so no other code has to. Nothing
here knows files or encryption: that is `lmort_memory.sync`.
"""
