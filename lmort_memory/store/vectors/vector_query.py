"""One search in a space: which rankings to try, and how the filter is applied to them.

The filter applies to the whole ranking, never to a fixed top k: the best vectors are checked in
SQL, then more if too few pass, and finally all of them in order.
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

WIDER = 8  # factor by which the second attempt checks more vectors
GRAPH_MOST = 1024  # vectors asked of a graph; walking to more takes longer than scanning
WAIT_S = 0.005  # how long to wait for a slice of additions before scanning instead
BATCH = 2000  # vectors checked per statement

# CROSS JOIN fixes SQLite's order: left alone, it may walk through a whole scope instead.
CHECK = """
SELECT v.v, r.id, v.start, v.stop
FROM json_each(?) w CROSS JOIN vectors v ON v.v = w.value CROSS JOIN records r ON r.n = v.n
WHERE {condition} AND typeof(r.id) = 'text' -- a damaged one hides no other
"""

Ranking = tuple[Ids, Floats]


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """A question to one space, inside one snapshot of the database.

    Attributes:
        view: All vectors of the space.
        graph: The graph over some of them, or None.
        vector: The query, float32 (dim,).
        condition: The condition that a record must meet.
        limit: Maximum number of records.
    """

    connection: sqlite3.Connection
    view: View
    graph: Graph | None
    vector: Floats
    condition: Condition
    limit: int

    def nearest(self) -> list[DenseMatch] | None:
        """Check the nearest vectors; None if too few pass to be sure of the best `limit`."""
        count = self._first()
        for wanted in (count, count * WIDER):
            matches = self._walk([self._near(wanted)])
            if len(matches) == self.limit or wanted >= len(self.view):
                return matches
            if len(matches) * WIDER < self.limit:
                return None  # the second attempt would not be enough either
        return None

    def among(self, ids: Ids) -> list[DenseMatch]:
        """Rank only these vectors, exactly."""
        return self._walk(descending(*self.view.among(self.vector, ids), self._first()))

    def everything(self) -> list[DenseMatch]:
        """Walk down the exact ranking of all vectors as far as needed."""
        return self._walk(descending(*self.view.scored(self.vector), BATCH))

    def _first(self) -> int:
        return self.limit + self.limit // 2 + 16  # some records have several chunks

    def _near(self, count: int) -> Ranking:
        """Return the nearest vectors, from the graph up to its watermark and exactly beyond it."""
        if self.graph is None or count > GRAPH_MOST:
            return self.view.best(self.vector, count)
        # Read before searching the graph: vectors added meanwhile are found twice, not missed.
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
        """Walk down a ranking of vectors until `limit` records have passed the filter."""
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
        """Split a ranking into batches, small at first because that is usually enough."""
        size = self._first()
        for ids, scores in rankings:
            start = 0
            while start < len(ids):
                piece = slice(start, start + size)
                yield ids[piece].tolist(), scores[piece].tolist()
                start, size = start + size, min(4 * size, max(size, BATCH))
