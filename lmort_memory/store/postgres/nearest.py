"""The nearest vectors under a filter: exactly if few pass or the space is small, else with HNSW.

pgvector's iterative scan walks on through the graph until enough vectors have passed the filter. If
it gives up before, everything that passes is ranked exactly: a filter never loses a hit. The
distance is the negative inner product, as in the SQLite store; vectors have unit norm.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmort_memory.errors import LmortError
from lmort_memory.store.filters import Condition
from lmort_memory.store.postgres.connection import Connection, Server, pipelined
from lmort_memory.store.postgres.filters import condition_of
from lmort_memory.store.postgres.vectors import INDEXES, index_name
from lmort_memory.store.values import DenseMatch, Filter
from lmort_memory.store.vectors.search import check_width

__all__ = ["NearestSearch"]

FEW = 10_000  # records; ranking the vectors of so many exactly takes some 30 ms
EF_LEAST, EF_MOST = 200, 1000  # pgvector's greatest is 1,000
LOOK_AGAIN_S = 30.0
MOST_DIMENSIONS = 4000  # of a halfvec that can be indexed

COUNT = "SELECT count(*) FROM (SELECT 1 FROM records r WHERE {condition} LIMIT {most}) few"
ESTIMATE = "EXPLAIN (FORMAT JSON) SELECT 1 FROM records r WHERE {condition}"
# "+ 0" keeps PostgreSQL from using the index.
EXACT = """
SELECT r.id, v.start, v.stop, -(v.vector <#> %s::halfvec) AS score
FROM records r JOIN vectors v ON v.n = r.n AND v.s = {s}
WHERE {condition} ORDER BY (v.vector <#> %s::halfvec) + 0, v.v LIMIT {rows}
"""
NEAR = """
SELECT r.id, v.start, v.stop, -(v.vector::halfvec({dim}) <#> %s::halfvec({dim})) AS score
FROM vectors v JOIN records r USING (n)
WHERE v.s = {s} AND {condition}
ORDER BY v.vector::halfvec({dim}) <#> %s::halfvec({dim}) LIMIT {rows}
"""
# Leave the planner no plan but the graph's: it cannot tell how many vectors pass a filter.
SETTINGS = """
SELECT set_config('hnsw.ef_search', %s, true), set_config('enable_seqscan', 'off', true),
       set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('jit', 'off', true)
"""
BUILD = """
CREATE INDEX CONCURRENTLY {name} ON vectors
USING hnsw ((vector::halfvec({dim})) halfvec_ip_ops) WITH (m = 16, ef_construction = 128)
WHERE s = {s}
"""
LARGE = "SELECT count(*) FROM (SELECT 1 FROM vectors WHERE s = %s LIMIT %s) counted"


class NearestSearch:
    """Searches by vector, and builds the indexes; thread-safe.

    Args:
        server: The database.
        graph_from: Number of vectors in a space from which an index is kept.
        builds: Whether this role may create indexes.
    """

    def __init__(self, server: Server, *, graph_from: int, builds: bool) -> None:
        self._server = server
        self._graph_from = graph_from
        self._builds = builds
        self._guard = threading.Lock()
        self._indexed: dict[int, tuple[bool, float]] = {}
        self._spaces: dict[str, tuple[int, int]] = {}
        self._builder: threading.Thread | None = None
        self._building: Any = None
        self._closed = False

    def search(
        self, space: str, vector: NDArray[np.float32], chosen: Filter, *, limit: int
    ) -> list[DenseMatch]:
        """Return the best `limit` records of a space that pass the filter.

        Raises:
            SpaceMismatchError: the vector's width is not the space's.
        """
        condition = condition_of(chosen)
        asked = f"[{','.join(map(repr, vector.astype(np.float16).tolist()))}]"

        def work(connection: Connection) -> list[DenseMatch]:
            found = self._space(connection, space)
            if found is not None and found[1] != len(vector):
                found = self._space(connection, space, again=True)
            if found is None:
                return []
            s, dim = found
            check_width(space, vector, dim)
            if self._has_index(connection, s, dim) and not _are_few(connection, chosen, condition):
                near = _near(connection, s, dim, asked, condition, limit)
                if len(near) >= limit:
                    return near
            exact = _exact(connection, s, asked, condition, limit)
            if not exact and self._space(connection, space, again=True) not in (None, found):
                return work(connection)  # another program dropped the space and recreated it
            return exact

        return self._server.read("search", work)

    def build(self, progress: Callable[[int, int | None], None] | None = None) -> None:
        """Create the missing indexes now, unless another program is at it."""
        if not self._builds:
            return
        spaces = self._server.read(
            "index", lambda c: c.execute("SELECT s, dim FROM spaces ORDER BY s").fetchall()
        )
        for done, (s, dim) in enumerate(spaces):
            if progress is not None:
                progress(done, len(spaces))
            lacks = partial(self._lacks, s=s)
            if dim <= MOST_DIMENSIONS and self._server.read("index", lacks):
                self._create(s, dim)
        with self._guard:
            self._indexed.clear()

    def close(self) -> None:
        """Stop building; what was begun is removed at the next build."""
        self._closed = True
        with self._guard:
            builder, building = self._builder, self._building
        if building is not None:
            with suppress(Exception):
                building.cancel_safe()
        if builder is not None:
            builder.join()

    def forget_spaces(self) -> None:
        """Look for indexes anew: a space was dropped."""
        with self._guard:
            self._indexed.clear()
            self._spaces.clear()

    def _space(
        self, connection: Connection, name: str, *, again: bool = False
    ) -> tuple[int, int] | None:
        """Return the number and the width of a space, which never change while it exists.

        Args:
            connection: To ask the server.
            name: The space's.
            again: Ask even if they are known.
        """
        with self._guard:
            known = None if again else self._spaces.get(name)
        if known is None:
            sql = "SELECT s, dim FROM spaces WHERE name = %s"
            known = connection.execute(sql, [name]).fetchone()
            with self._guard:
                self._spaces.pop(name, None)
                if known is not None:
                    self._spaces[name] = known
        return known

    def _has_index(self, connection: Connection, s: int, dim: int) -> bool:
        with self._guard:
            known, when = self._indexed.get(s, (False, -LOOK_AGAIN_S))
        if time.monotonic() - when < LOOK_AGAIN_S:
            return known
        there = (index_name(s),) in connection.execute(INDEXES).fetchall()
        with self._guard:
            self._indexed[s] = (there, time.monotonic())
        if not there and self._builds and dim <= MOST_DIMENSIONS and self._lacks(connection, s):
            self._begin()
        return there

    def _lacks(self, connection: Connection, s: int) -> bool:
        """Whether a space is large enough for an index and has none."""
        if (index_name(s),) in connection.execute(INDEXES).fetchall():
            return False
        count = connection.execute(LARGE, [s, self._graph_from]).fetchone()[0]
        return bool(count >= self._graph_from)

    def _begin(self) -> None:
        with self._guard:
            if self._closed or (self._builder is not None and self._builder.is_alive()):
                return
            self._builder = threading.Thread(
                target=self._quietly, name="lmort-pg-index", daemon=True
            )
            self._builder.start()

    def _quietly(self) -> None:
        with suppress(LmortError):  # every search stays exact; the next one tries again
            self.build()

    def _create(self, s: int, dim: int) -> None:
        """Build one index without keeping others from writing."""
        name = index_name(s)
        key = f"lmort-memory index {self._server.address.schema} {s}"
        try:
            with self._server.separate() as connection:
                ours = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [key])
                if not ours.fetchone()[0]:
                    return
                with self._guard:
                    self._building = None if self._closed else connection
                if self._closed:
                    return
                connection.execute("SET statement_timeout = 0")
                connection.execute(f"DROP INDEX IF EXISTS {name}")  # a build that was stopped
                connection.execute(BUILD.format(name=name, dim=dim, s=s))
        except self._server.errors as error:
            if not self._closed:
                raise self._server.failed("index", error) from None
        finally:
            with self._guard:
                self._building = None


def _are_few(connection: Connection, chosen: Filter, condition: Condition) -> bool:
    """Whether few records pass the filter: counted by an index, or as PostgreSQL estimates."""
    named = (chosen.ids, chosen.scope, chosen.session, chosen.source, chosen.since, chosen.until)
    if any(one is not None for one in named):
        sql = COUNT.format(condition=condition[0], most=FEW + 1)
        return bool(connection.execute(sql, condition[1], prepare=False).fetchone()[0] <= FEW)
    if chosen.role is None and not chosen.where:
        return False
    sql = ESTIMATE.format(condition=condition[0])
    (plan,) = connection.execute(sql, condition[1], prepare=False).fetchone()
    return bool(plan[0]["Plan"]["Plan Rows"] <= FEW)


def _near(
    connection: Connection, s: int, dim: int, asked: str, condition: Condition, limit: int
) -> list[DenseMatch]:
    rows = limit + limit // 2 + 16  # some records have several chunks
    ef = min(EF_MOST, max(EF_LEAST, 2 * rows))
    sql = NEAR.format(s=s, dim=dim, condition=condition[0], rows=rows)
    # A pipeline is one transaction, to which the settings are local. The search is prepared after
    # a few uses, unlike the other two: the settings leave it only one plan.
    with pipelined(connection):
        connection.execute(SETTINGS, [str(ef)])
        found = connection.execute(sql, [asked, *condition[1], asked])
    return _best(found.fetchall(), limit)


def _exact(
    connection: Connection, s: int, asked: str, condition: Condition, limit: int
) -> list[DenseMatch]:
    rows = limit + limit // 2 + 16
    while True:
        sql = EXACT.format(s=s, condition=condition[0], rows=rows)
        found = connection.execute(sql, [asked, *condition[1], asked], prepare=False).fetchall()
        matches = _best(found, limit)
        if len(matches) == limit or len(found) < rows:
            return matches
        rows *= 8


def _best(found: list[tuple[str, int, int, float]], limit: int) -> list[DenseMatch]:
    """Return each record once, with its best chunk."""
    matches: dict[str, DenseMatch] = {}
    for id_, start, stop, score in sorted(found, key=lambda row: -row[3]):
        matches.setdefault(id_, DenseMatch(id_, min(1.0, max(-1.0, score)), (start, stop)))
    return list(matches.values())[:limit]
