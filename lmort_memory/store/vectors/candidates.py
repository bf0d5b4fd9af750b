"""Which vectors a filter can let through at all, where an index of SQLite says that they are few.

Those are ranked among themselves, exactly, instead of searching all vectors for the few that pass.
The vectors of a small scope are remembered: a record never changes its scope and a vector never
its record, so that only newer vectors have to be looked at. Deleted ones are passed over by the
matrix.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from lmort_memory.store.filters import compile_filter
from lmort_memory.store.values import Filter
from lmort_memory.store.vectors.matrix import Ids

__all__ = ["CandidateFilter"]

MOST = 20_000  # vectors; picking so many single rows takes about 8 ms
SHARE = 16  # of a large store a sixteenth: picking one row costs as much as scanning several
SCOPES = 64  # that are remembered

# Both are answered from indexes alone; CROSS JOIN keeps SQLite from walking through the space.
SELECT = """
SELECT v.v FROM records r CROSS JOIN vectors v ON v.n = r.n AND v.s = ? WHERE {condition} LIMIT ?
"""
NEWER = """
SELECT v.v FROM vectors v CROSS JOIN records r ON r.n = v.n
WHERE v.v > ? AND v.s = ? AND r.scope = ?
"""


class CandidateFilter:
    """Selections of one database; thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._scopes: OrderedDict[tuple[int, str], tuple[int, Ids]] = OrderedDict()

    def likely(self, s: int, chosen: Filter) -> bool:
        """Return whether the filter names few records, before anything is looked up."""
        named = (chosen.ids, chosen.session, chosen.source)
        if any(one is not None for one in named):
            return True
        return isinstance(chosen.scope, str) and (s, chosen.scope) in self._scopes

    def vectors(
        self, connection: sqlite3.Connection, s: int, chosen: Filter, *, of: int
    ) -> Ids | None:
        """Return the vectors of a space that the filter may let through, ascending.

        It may name too many, since not every condition is looked at; it never misses one. None
        where they are many, or where no index tells. `s` is the number of the space, `of` how many
        vectors it holds.
        """
        most = max(MOST, of // SHARE)
        indexed = replace(chosen, role=None, where=None, exclude=(), expired=True)
        named = (chosen.ids, chosen.session, chosen.source)
        if all(one is None for one in named):
            if chosen.scope is None:
                return None
            if isinstance(chosen.scope, str) and chosen.since is None and chosen.until is None:
                return self._of_scope(connection, s, chosen.scope, most)
        return self._select(connection, s, indexed, most)

    def _select(
        self, connection: sqlite3.Connection, s: int, chosen: Filter, most: int
    ) -> Ids | None:
        condition, values = compile_filter(chosen)
        sql = SELECT.format(condition=condition)
        found = _sorted(connection.execute(sql, [s, *values, most + 1]))
        return found if len(found) <= most else None

    def _of_scope(
        self, connection: sqlite3.Connection, s: int, scope: str, most: int
    ) -> Ids | None:
        key = (s, scope)
        last = connection.execute("SELECT IFNULL(max(v), 0) FROM vectors").fetchone()[0]
        with self._guard:
            seen, ids = self._scopes.get(key, (-1, None))
        if ids is None:
            ids = self._select(connection, s, Filter(scope=scope, expired=True), most)
        elif seen < last:
            newer = _sorted(connection.execute(NEWER, (seen, s, scope)))
            ids = np.concatenate([ids, newer]) if len(ids) + len(newer) <= most else None
        with self._guard:
            if ids is None:
                self._scopes.pop(key, None)
            elif seen <= last:  # else another thread has looked later than this one
                self._scopes[key] = (last, ids)
                self._scopes.move_to_end(key)
                if len(self._scopes) > SCOPES:
                    self._scopes.popitem(last=False)
        return ids


def _sorted(rows: Iterable[tuple[int]]) -> Ids:
    return np.unique(np.fromiter((v for (v,) in rows), np.int64))
