"""`Memory`: add, recall, forget, over an encoder and a store that know nothing of each other.

Memory (memory.py)
├── items.py        whatever a caller offers, as turns
├── encoding.py     vectors: at once, in batches, or in the background
├── recall.py       one question to the store
│     ├── ranking.py      rankings fused into one
│     ├── echoes.py       stored questions come after what answers them
│     └── times.py        "last week", "in March"
├── likelihood.py   how likely a hit answers
│     ├── evidence.py     the signs of each hit: overlap.py, kinds.py, times.py
│     └── evidence_weights.py   what each sign weighs, fitted
├── conditions.py   which records a call means
├── transfer.py     records out to JSONL and back
└── selftest.py     how well recall works on the user's own records
"""

from lmort_memory.memory.conditions import Conditions
from lmort_memory.memory.items import Added, Item
from lmort_memory.memory.memory import Memory, MemoryStatus, Mode

__all__ = ["Added", "Conditions", "Item", "Memory", "MemoryStatus", "Mode"]
