"""Ranking by words: BM25 from FTS5, with a limit on the rows scored per question.

Finding the rows that contain a word is cheap (0.06 µs each); scoring them is not (0.8 to 2 µs). In
a large store, a question of ordinary words would score most rows, only to rank those that share
nothing else with it. So only rows that contain one of its rarest words, or two of the next rarest,
are scored. Experiment 8 in docs/experiments.md has the cost in quality.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import combinations

from lmort_memory.store.filters import Condition
from lmort_memory.store.values import LexicalMatch

__all__ = ["search"]

ROWS = 5_000  # rows to score
PAIRED = 3  # words too common to search for alone, which are searched for in pairs
ENOUGH = 10  # with fewer hits than 1/10 of the requested records, also search common words alone

COUNT = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
# CROSS JOIN: find the words first, then apply the filter to single rows. A damaged row hides no
# other.
RANK = """
SELECT r.id, -bm25(words) AS score FROM words CROSS JOIN records r ON r.n = words.rowid
WHERE words MATCH ? AND {condition} AND typeof(r.id) = 'text' ORDER BY score DESC, r.n LIMIT ?
"""
NEWEST = """
SELECT id, score FROM (
    SELECT r.n, r.id, -bm25(words) AS score FROM words CROSS JOIN records r ON r.n = words.rowid
    WHERE words MATCH ? AND {condition} AND typeof(r.id) = 'text' ORDER BY words.rowid DESC LIMIT ?
) ORDER BY score DESC, n LIMIT ?
"""


def search(
    connection: sqlite3.Connection, terms: Sequence[str], condition: Condition, limit: int
) -> list[LexicalMatch]:
    """Rank records by BM25 of any of the terms, best first; ties in the order of storing.

    If at most `ROWS` rows contain a term, this is the ranking of all records. Otherwise only the
    rows described above are ranked, and the words that found them count twice. If these are very
    few, the newest `ROWS` rows that pass the filter are ranked too.
    """
    everything = " OR ".join(terms)
    drivers = _drivers(connection, terms)
    ranked: list[tuple[str, float]] = []
    if drivers is None or drivers:
        # FTS5 scores every word of an expression that a row contains, and seeks along an AND.
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
    """Return the rarest terms and pairs found in at most `ROWS` rows; None if that is all terms."""
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
    """Return the number of matching rows, counting at most `ROWS` + 1."""
    count: int = connection.execute(COUNT, (expression, ROWS + 1)).fetchone()[0]
    return count
