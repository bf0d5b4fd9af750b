"""The same memory on several devices, through a folder that any tool replicates.

    run.py       one sync: read what is new, forget, write what changed, tidy up
    own_log.py   this device's own files: finished after a kill, rewritten, merged
    folder.py    the files of a folder: whose they are, which are whole, which come next
    sealing.py   a bundle as an encrypted, authenticated file
    wire.py      a bundle's changes as bytes

A device writes only files in the folder that is named after it. What changed, and how changes
merge, is the store's business (`lmort_memory.store.replica`).
"""

from lmort_memory.sync.report import SyncReport
from lmort_memory.sync.run import synchronise

__all__ = ["SyncReport", "synchronise"]
