"""What a memory says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmort_memory.store.values import StoreStatus

if TYPE_CHECKING:
    from lmort_memory.store.replica.state import Replica

__all__ = ["MemoryStatus"]


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """What a memory holds and how recall works.

    Attributes:
        store: Sizes and counts of the database.
        model: File name of the loaded model, or None.
        space: The vector space in use, or None if recall is by words only.
        tier: How the loaded model's tuner was made; "at once" uses the model's layers as they are
            and vectors of words, and `lmort-mem tuner make` fits a tuner. None without a model.
        pending: Records without vectors in that space.
        notice: One line for the user about the model, or None.
        replica: This device among those it is synced with; None if it never was.
    """

    store: StoreStatus
    model: str | None
    space: str | None
    tier: str | None
    pending: int
    notice: str | None
    replica: Replica | None = None
