"""Ranking by words: PostgreSQL's full text finds the rows, and BM25 ranks them.

`ts_rank` knows neither how rare a word is nor how long texts usually are, so its values cannot be
fused with cosines as BM25's are. This is the BM25 of SQLite's FTS5, with its constants, over the
hashes of the stems that each row keeps in order. As in the SQLite store, a question of ordinary
words ranks only the rows that hold its rarest ones: see `lmort_memory/store/words/search.py`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lmort_memory.store.filters import Condition
from lmort_memory.store.postgres.connection import Connection
from lmort_memory.store.postgres.stems import Term, any_of, hashes_of, phrase_of, term_of
from lmort_memory.store.values import LexicalMatch
from lmort_memory.store.words.quotes import phrases, pieces

__all__ = ["WordSearch", "quoting"]

K1, B = 1.2, 0.75  # as in FTS5
LEAST_IDF = 1e-6
ROWS = 5_000  # rows to rank
PAIRED = 3
ENOUGH = 10
SAMPLE = 2_000  # rows in which common words are counted
KEEP_S = 60.0  # how long the size of a large store is remembered

# By the index; under row-level security only a function of the owner may use it: see schema.py.
MATCHING = {False: "w.body @@ %s::tsquery", True: "w.n IN (SELECT matching(%s::tsquery))"}
SMALL = "SELECT count(*), COALESCE(sum(length(stems)), 0) FROM (SELECT stems FROM words LIMIT %s) w"
RANKED = "SELECT r.n, r.id, w.stems{flags} FROM words w JOIN records r USING (n) WHERE {condition}"
NEWEST = f"{RANKED} ORDER BY w.n DESC LIMIT %s"
QUOTING = """
SELECT r.id FROM words w JOIN records r USING (n) WHERE w.body @@ %s::tsquery ORDER BY r.n LIMIT %s
"""
# What no index holds: earlier versions, and metadata.
QUOTING_ELSEWHERE = """
SELECT r.id FROM records r WHERE r.metadata <> '{}' AND EXISTS (
    SELECT 1 FROM unnest(%(escaped)s::text[]) piece WHERE strpos(r.metadata, piece) > 0)
UNION SELECT r.id FROM history h JOIN records r USING (n) WHERE EXISTS (
    SELECT 1 FROM unnest(%(pieces)s::text[]) piece WHERE strpos(h.text, piece) > 0) OR EXISTS (
    SELECT 1 FROM unnest(%(escaped)s::text[]) piece WHERE strpos(h.metadata, piece) > 0)
ORDER BY id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class _Corpus:
    """All texts that this role may see: how many, and their mean length in words."""

    size: int
    mean: float


class WordSearch:
    """Searches by words; thread-safe. `restricted` where row-level security applies."""

    def __init__(self, *, restricted: bool) -> None:
        self._restricted = restricted
        self._guard = threading.Lock()
        self._corpus = (_Corpus(0, 1.0), -math.inf)

    def search(
        self, connection: Connection, quoted: Sequence[str], condition: Condition, limit: int
    ) -> list[LexicalMatch]:
        """Rank records by BM25 of any of the terms; ties in the order of storing."""
        terms = [term for one in quoted if (term := term_of(one))]
        if not terms:
            return []
        corpus = self._measure(connection)
        matching = MATCHING[self._restricted]
        counts = _counts(connection, terms, corpus, matching)
        rank = _Ranking(connection, terms, counts, corpus, limit)
        everything = any_of(terms)
        found = MATCHING[False]
        if corpus.size <= ROWS:
            return rank.best(RANKED, f"{found} AND {condition[0]}", [everything, *condition[1]])
        drivers = _drivers(connection, terms, counts, matching)
        ranked: list[LexicalMatch] = []
        if drivers is None or drivers:
            asked = everything if drivers is None else " | ".join(drivers)
            ranked = rank.best(RANKED, f"{matching} AND {condition[0]}", [asked, *condition[1]])
        if drivers is not None and len(ranked) < max(1, limit // ENOUGH):
            values = [everything, *condition[1], ROWS]
            newest = rank.best(NEWEST, f"{found} AND {condition[0]}", values)
            both = {one.id: one for one in (*newest, *ranked)}
            ranked = sorted(both.values(), key=lambda one: (-one.score, one.id))
        return ranked[:limit]

    def _measure(self, connection: Connection) -> _Corpus:
        with self._guard:
            corpus, when = self._corpus
        if time.monotonic() - when < KEEP_S:
            return corpus
        size, length = connection.execute(SMALL, [ROWS + 1]).fetchone()
        mean = max(float(length) / 4 / max(size, 1), 1e-9)  # 4 bytes a word
        if size <= ROWS:
            return _Corpus(size, mean)
        size = connection.execute("SELECT count(*) FROM words").fetchone()[0]
        with self._guard:
            self._corpus = (_Corpus(size, mean), time.monotonic())
            return self._corpus[0]


@dataclass(frozen=True, slots=True)
class _Ranking:
    """BM25 of rows for one question."""

    connection: Connection
    terms: list[Term]
    counts: list[int]
    corpus: _Corpus
    limit: int

    def best(self, sql: str, condition: str, values: Sequence[object]) -> list[LexicalMatch]:
        """Rank what a statement finds."""
        begins = [term for term in self.terms if term.prefix]  # stems alone cannot tell
        flags = "".join(", w.body @@ %s::tsquery" for _ in begins)
        named = sql.format(flags=flags, condition=condition)
        given = [*(term.query for term in begins), *values]
        found = self.connection.execute(named, given, prepare=False).fetchall()
        if not found:
            return []
        scores = self._scores([hashes_of(row[2]) for row in found], [row[3:] for row in found])
        numbers = np.fromiter((row[0] for row in found), np.int64)
        order = np.lexsort((numbers, -scores))[: self.limit]
        return [LexicalMatch(found[i][1], float(scores[i])) for i in order.tolist()]

    def _scores(
        self, texts: Sequence[NDArray[np.uint32]], flags: Sequence[Sequence[bool]]
    ) -> NDArray[np.float64]:
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        words = np.concatenate(texts)
        text_of = np.repeat(np.arange(len(texts)), lengths)
        norms = K1 * (1 - B + B * lengths / self.corpus.mean)
        scores = np.zeros(len(texts))
        begins = iter(range(len(self.terms)))
        for term, count in zip(self.terms, self.counts, strict=True):
            if term.prefix:
                place = next(begins)
                often = np.fromiter((row[place] for row in flags), np.float64, len(texts))
            else:
                places = _places(words, text_of, term.hashes)
                often = np.bincount(text_of[places], minlength=len(texts)).astype(np.float64)
            idf = math.log((self.corpus.size - count + 0.5) / (count + 0.5))
            scores += max(idf, LEAST_IDF) * often * (K1 + 1) / (often + norms)
        return scores


def _places(
    words: NDArray[np.uint32], text_of: NDArray[np.int64], wanted: Sequence[int]
) -> NDArray[np.int64]:
    """Return where words follow each other within one text."""
    found = np.flatnonzero(words[: len(words) - len(wanted) + 1] == wanted[0])
    for i, one in enumerate(wanted[1:], 1):
        found = found[(words[found + i] == one) & (text_of[found + i] == text_of[found])]
    return found


def _counts(connection: Connection, terms: list[Term], corpus: _Corpus, matching: str) -> list[int]:
    """Return in how many texts each term is; of common ones, as a sample of texts tells."""
    asked = ", ".join("count(*) FILTER (WHERE body @@ %s::tsquery)" for _ in terms)
    small = corpus.size <= ROWS
    some = "words" if small else f"(SELECT body FROM words ORDER BY n DESC LIMIT {SAMPLE}) w"
    sampled = connection.execute(
        f"SELECT {asked} FROM {some}", [term.query for term in terms], prepare=False
    ).fetchone()
    if small:
        return list(sampled)
    return [
        count * corpus.size // SAMPLE
        if count * corpus.size > 4 * ROWS * SAMPLE
        else _count(connection, term.query, matching)
        for term, count in zip(terms, sampled, strict=True)
    ]


def _drivers(
    connection: Connection, terms: Sequence[Term], counts: Sequence[int], matching: str
) -> list[str] | None:
    """Return the rarest terms and pairs found in at most `ROWS` rows; None if that is all terms."""
    rarest = [term for _, term in sorted(zip(counts, terms, strict=True), key=lambda one: one[0])]
    found: list[str] = []
    total = 0
    for term, count in zip(rarest, sorted(counts), strict=True):
        if total + count > ROWS:
            break
        total += count
        found.append(term.query)
    if len(found) == len(terms):
        return None
    for one, other in combinations(rarest[len(found) :][:PAIRED], 2):
        pair = f"({one.query} & {other.query})"
        count = _count(connection, pair, matching)
        if total + count <= ROWS:
            total += count
            found.append(pair)
    return found


def _count(connection: Connection, query: str, matching: str) -> int:
    sql = f"SELECT count(*) FROM words w WHERE {matching}"
    return int(connection.execute(sql, [query], prepare=False).fetchone()[0])


def quoting(connection: Connection, texts: Sequence[str], *, limit: int) -> list[str]:
    """Return the ids of records that contain the start, the middle or the end of a text.

    Earlier versions and metadata of everything that this role sees are read through.
    """
    wanted = dict.fromkeys(one for text in texts for one in phrases(text))
    found = [term for one in wanted if (term := phrase_of(one))]
    if not found:
        return []
    rows = connection.execute(QUOTING, [any_of(found), limit], prepare=False).fetchall()
    cut, escaped = pieces(texts)
    given = {"pieces": cut, "escaped": escaped, "limit": limit}
    rows += connection.execute(QUOTING_ELSEWHERE, given, prepare=False).fetchall()
    return list(dict.fromkeys(id_ for (id_,) in rows))[:limit]
