"""One search among the vectors of a space: which rankings are tried, and what SQL says of them.

A filter is applied to a ranking itself, never to a cut-off top k: the best vectors are checked in
SQL, more of them when too few pass, and all of them in order where that is not enough either.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lmort_memory.store.filters import Condition
from lmort_memory.store.values import DenseMatch
from lmort_memory.store.vectors.graph import Graph
from lmort_memory.store.vectors.matrix import Floats, Ids, View, descending, top

__all__ = ["VectorQuery"]

WIDER = 8  # how many times more vectors the second look at the nearest takes
GRAPH_MOST = 1024  # vectors asked of a graph; walking to more takes longer than scanning
WAIT_S = 0.005  # for a slice of additions to end, before scanning instead
BATCH = 2000  # vectors checked with one statement

# CROSS JOIN fixes SQLite's order: left alone, it may walk through a whole scope instead.
CHECK = """
SELECT v.v, r.id, v.start, v.stop
FROM json_each(?) w CROSS JOIN vectors v ON v.v = w.value CROSS JOIN records r ON r.n = v.n
WHERE {condition}
"""

Ranking = tuple[Ids, Floats]


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """A question to one space, inside one snapshot of the database.

    Attributes:
        view: All vectors of the space.
        graph: The graph over some of them, or None.
        vector: The query, float32 (dim,).
        condition: What a record must fulfil.
        limit: The most records wanted.
    """

    connection: sqlite3.Connection
    view: View
    graph: Graph | None
    vector: Floats
    condition: Condition
    limit: int

    def nearest(self) -> list[DenseMatch] | None:
        """Check the nearest vectors; None where too few pass to be sure of the best `limit`."""
        count = self._first()
        for wanted in (count, count * WIDER):
            matches = self._walk([self._near(wanted)])
            if len(matches) == self.limit or wanted >= len(self.view):
                return matches
            if len(matches) * WIDER < self.limit:
                return None  # the second look would not be enough either
        return None

    def among(self, ids: Ids) -> list[DenseMatch]:
        """Rank these vectors only, exactly."""
        return self._walk(descending(*self.view.among(self.vector, ids), self._first()))

    def everything(self) -> list[DenseMatch]:
        """Go down the exact ranking of all vectors as far as needed."""
        return self._walk(descending(*self.view.scored(self.vector), BATCH))

    def _first(self) -> int:
        return self.limit + self.limit // 2 + 16  # some records own several chunks

    def _near(self, count: int) -> Ranking:
        """Return the nearest vectors: by the graph as far as it reaches, exactly beyond."""
        if self.graph is None or count > GRAPH_MOST:
            return self.view.best(self.vector, count)
        # Read before the walk: what is added meanwhile is found twice, not never.
        watermark = self.graph.watermark
        near = self.graph.nearest(self.vector, count, wait_s=WAIT_S)
        if near is None:
            return self.view.best(self.vector, count)
        rest = self.view.after(watermark).best(self.vector, count)
        ids, first = np.unique(np.concatenate([near[0], rest[0]]), return_index=True)
        scores = np.concatenate([near[1], rest[1]])[first]
        order = top(scores, min(count, len(scores)))
        return ids[order], scores[order]

    def _walk(self, rankings: Iterable[Ranking]) -> list[DenseMatch]:
        """Go down a ranking of vectors until it has given `limit` records that pass the filter."""
        sql = CHECK.format(condition=self.condition[0])
        matches: dict[str, DenseMatch] = {}
        for ids, scores in self._pieces(rankings):
            rows = self.connection.execute(sql, [json.dumps(ids), *self.condition[1]])
            passing = {v: (record_id, (first, stop)) for v, record_id, first, stop in rows}
            for v, score in zip(ids, scores, strict=True):
                if v in passing and passing[v][0] not in matches:
                    record_id, span = passing[v]
                    matches[record_id] = DenseMatch(record_id, min(1.0, max(-1.0, score)), span)
                    if len(matches) == self.limit:
                        return list(matches.values())
        return list(matches.values())

    def _pieces(self, rankings: Iterable[Ranking]) -> Iterator[tuple[list[int], list[float]]]:
        """Cut rankings into what one statement checks: little at first, for most it is enough."""
        size = self._first()
        for ids, scores in rankings:
            start = 0
            while start < len(ids):
                piece = slice(start, start + size)
                yield ids[piece].tolist(), scores[piece].tolist()
                start, size = start + size, min(4 * size, max(size, BATCH))
