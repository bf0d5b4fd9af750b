"""Ranking by words: BM25 from FTS5, with a bound on how many rows one question scores.

Finding the rows that hold a word is cheap (0.06 µs each), scoring them is not (0.8 to 2 µs). In a
large store a question of ordinary words would have most rows scored, to bring up those that share
nothing else with it. So only rows are scored that hold one of its rarest words, or two of the next
ones; docs/experiments.md, experiment 8, has what that costs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import combinations

from lmort_memory.store.filters import Condition
from lmort_memory.store.values import LexicalMatch

__all__ = ["search"]

ROWS = 5_000  # that are scored
PAIRED = 3  # words too common to be looked for alone, that are looked for together
ENOUGH = 10  # one in so many of the records wanted; with fewer, common words are looked for alone

COUNT = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
# CROSS JOIN: the words come first, then the filter looks at single rows.
RANK = """
SELECT r.id, -bm25(words) AS score FROM words CROSS JOIN records r ON r.n = words.rowid
WHERE words MATCH ? AND {condition} ORDER BY score DESC, r.n LIMIT ?
"""
NEWEST = """
SELECT id, score FROM (
    SELECT r.n, r.id, -bm25(words) AS score FROM words CROSS JOIN records r ON r.n = words.rowid
    WHERE words MATCH ? AND {condition} ORDER BY words.rowid DESC LIMIT ?
) ORDER BY score DESC, n LIMIT ?
"""


def search(
    connection: sqlite3.Connection, terms: Sequence[str], condition: Condition, limit: int
) -> list[LexicalMatch]:
    """Rank records by BM25 of any of the terms, best first; equals in order of storing.

    As long as no more than `ROWS` rows hold one of them, this is the ranking of all records.
    Otherwise it is that of the rows named above, in which the words they were found by count twice;
    where these are very few, the newest `ROWS` rows that pass the filter are ranked too.
    """
    everything = " OR ".join(terms)
    drivers = _drivers(connection, terms)
    ranked: list[tuple[str, float]] = []
    if drivers is None or drivers:
        # FTS5 scores every word of an expression that a row holds, and seeks along an AND.
        some = f"({' OR '.join(drivers)}) AND ({everything})" if drivers else everything
        sql = RANK.format(condition=condition[0])
        ranked = connection.execute(sql, (some, *condition[1], limit)).fetchall()
    if drivers is not None and len(ranked) < max(1, limit // ENOUGH):
        sql = NEWEST.format(condition=condition[0])
        newest = connection.execute(sql, (everything, *condition[1], ROWS, limit)).fetchall()
        both = dict(newest) | dict(ranked)
        ranked = sorted(both.items(), key=lambda item: (-item[1], item[0]))
    return [LexicalMatch(id_, score) for id_, score in ranked[:limit]]


def _drivers(connection: sqlite3.Connection, terms: Sequence[str]) -> list[str] | None:
    """Return the rarest terms and pairs, which at most `ROWS` rows hold; None if all terms do."""
    stored = connection.execute("SELECT IFNULL(max(n), 0) FROM records").fetchone()[0]
    if stored <= ROWS:
        return None
    counts = {term: _count(connection, term) for term in terms}
    rarest = sorted(terms, key=lambda term: counts[term])
    found: list[str] = []
    total = 0
    for term in rarest:
        total += counts[term]
        if total > ROWS:
            total -= counts[term]
            break
        found.append(term)
    if len(found) == len(terms):
        return None
    for pair in _pairs(rarest[len(found) :]):
        count = _count(connection, pair)
        if total + count <= ROWS:
            total += count
            found.append(pair)
    return found


def _pairs(terms: Sequence[str]) -> Iterator[str]:
    return (f"({one} AND {other})" for one, other in combinations(terms[:PAIRED], 2))


def _count(connection: sqlite3.Connection, expression: str) -> int:
    """Return how many rows match, counted up to one more than `ROWS`."""
    count: int = connection.execute(COUNT, (expression, ROWS + 1)).fetchone()[0]
    return count
