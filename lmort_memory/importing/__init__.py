"""Files into a memory: incrementally, so that a second run reads only what has changed."""

from lmort_memory.importing.deleted import find_deleted, prune
from lmort_memory.importing.run import ImportEstimate, ImportReport, estimate, import_files

__all__ = ["ImportEstimate", "ImportReport", "estimate", "find_deleted", "import_files", "prune"]
