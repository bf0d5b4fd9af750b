"""`Memory`: add, recall, forget, over an encoder and a store that are independent of each other.

Memory (memory.py)  adds and recalls; status.py: what it says of itself
├── opening.py      models and store, all or nothing
├── records.py      its records, one by one: read, changed, replaced, forgotten
├── copying.py      all of it: exported, backed up, restored, synced
│     └── transfer.py     records to JSONL and back; databases.py, syncing.py
├── items.py        what a caller passes in, as turns
├── encoding.py     vectors: at once, in batches, or in the background
├── recall.py       one query to the store
│     ├── ranking.py      rankings fused into one
│     ├── echoes.py       stored questions rank below their answers
│     ├── exchanges.py    answers are found with their questions
│     ├── replaced.py     what holds now is found by what it replaced
│     ├── times/          "last week", "in March"
│     └── passages.py     the part of a long text that is shown
├── likelihood.py   how likely a hit answers
│     ├── evidence.py     the signs of each hit: overlap.py, kinds.py (telling.py), times/
│     │     └── languages/      words of other languages than English, as tables
│     └── evidence_weights.py   what each sign weighs, fitted
├── follow_ups.py   questions that refer to an earlier turn
├── conditions.py   which records a call applies to
└── selftest.py     how well recall works on the user's own records
"""

from lmort_memory.memory.checks import Mode
from lmort_memory.memory.conditions import Conditions
from lmort_memory.memory.items import Added, Item
from lmort_memory.memory.memory import Memory
from lmort_memory.memory.status import MemoryStatus

__all__ = ["Added", "Conditions", "Item", "Memory", "MemoryStatus", "Mode"]
