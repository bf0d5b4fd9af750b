"""Group an iterator into lists of bounded length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["batched"]

_Item = TypeVar("_Item")


def batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield lists of `size` items, the last one shorter; `itertools.batched` is of Python 3.12."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
