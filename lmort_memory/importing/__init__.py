"""Import files into a memory, incrementally: a second run reads only what has changed."""

from lmort_memory.importing.deleted import find_deleted, prune
from lmort_memory.importing.estimate import ImportEstimate, estimate
from lmort_memory.importing.heartbeat import Heartbeat, Pulse, pulses
from lmort_memory.importing.run import ImportReport, import_files
from lmort_memory.importing.watching import Watcher, WatchReport

__all__ = [
    "Heartbeat",
    "ImportEstimate",
    "ImportReport",
    "Pulse",
    "WatchReport",
    "Watcher",
    "estimate",
    "find_deleted",
    "import_files",
    "prune",
    "pulses",
]
