"""`Memory`: add, recall, forget, over an encoder and a store that know nothing of each other.

Memory (memory.py)
├── items.py        whatever a caller offers, as turns
├── encoding.py     vectors: at once, in batches, or in the background
├── recall.py       one question to the store
│     ├── ranking.py      rankings fused into one
│     └── likelihood.py   how likely it is that the answer is stored
├── transfer.py     records out to JSONL and back
└── selftest.py     how well recall works on the user's own records
"""

from lmort_memory.memory.items import Item
from lmort_memory.memory.memory import Memory, MemoryStatus, Mode

__all__ = ["Item", "Memory", "MemoryStatus", "Mode"]
