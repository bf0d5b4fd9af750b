"""A fair sample of a stream whose length is unknown."""

from __future__ import annotations

from random import Random
from typing import Generic, TypeVar

__all__ = ["Reservoir"]

T = TypeVar("T")


class Reservoir(Generic[T]):
    """Keeps `size` of the items offered, each with equal probability (Vitter's algorithm R).

    Attributes:
        items: The items kept so far.
        seen: Number of items offered.
    """

    def __init__(self, size: int, *, seed: int = 0) -> None:
        self.items: list[T] = []
        self.seen = 0
        self._size = size
        self._random = Random(seed)

    def offer(self, item: T) -> None:
        """Keep the item with the right probability, replacing another if full."""
        self.seen += 1
        if len(self.items) < self._size:
            self.items.append(item)
        elif (place := self._random.randrange(self.seen)) < self._size:
            self.items[place] = item
