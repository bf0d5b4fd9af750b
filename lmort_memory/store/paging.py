"""Reading a table page by page in the order of a key, so that no statement stays open between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

__all__ = ["PAGE", "Row", "pages"]

PAGE: Final = 500
"""Rows that one statement reads: its LIMIT."""

Row: TypeAlias = tuple[Any, ...]


def pages(
    read: Callable[[Sequence[object]], list[Row]], start: Sequence[object], key: slice
) -> Iterator[list[Row]]:
    """Yield pages until one is not full; the last may be empty.

    Args:
        read: Returns the first `PAGE` rows after a key.
        start: A key before all others.
        key: Where the key is in a row.
    """
    last = start
    while True:
        page = read(last)
        yield page
        if len(page) < PAGE:
            return
        last = page[-1][key]
