"""Find the few vectors that can pass a filter, if an SQLite index shows that they are few.

These are then ranked exactly, instead of searching all vectors for the few that pass. The vectors
of a small scope are remembered: a record never changes its scope, nor a vector its record, so only
newer vectors need to be checked. The matrix skips deleted ones.
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

MOST = 20_000  # vectors; picking this many single rows takes about 8 ms
SHARE = 16  # at most 1/16 of a large store: picking one row costs as much as scanning several
SCOPES = 64  # number of scopes to remember

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
        """Whether the filter can select few records, without looking anything up."""
        named = (chosen.ids, chosen.session, chosen.source)
        if any(one is not None for one in named):
            return True
        return isinstance(chosen.scope, str) and (s, chosen.scope) in self._scopes

    def vectors(
        self, connection: sqlite3.Connection, s: int, chosen: Filter, *, of: int
    ) -> Ids | None:
        """Return the vectors of a space that can pass the filter, ascending.

        The result may be too large, because not every condition is checked, but never misses one.
        None if they are many, or if no index can tell. `s` is the number of the space, `of` its
        number of vectors.
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
            elif seen <= last:  # otherwise another thread has read a later state
                self._scopes[key] = (last, ids)
                self._scopes.move_to_end(key)
                if len(self._scopes) > SCOPES:
                    self._scopes.popitem(last=False)
        return ids


def _sorted(rows: Iterable[tuple[int]]) -> Ids:
    return np.unique(np.fromiter((v for (v,) in rows), np.int64))
