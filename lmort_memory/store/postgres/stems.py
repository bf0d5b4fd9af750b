"""Words as FTS5 indexes them: folded by `words/tokenizer.py`, stemmed by Porter's algorithm.

So both stores find the same records, in the same order. A run of a script without spaces is indexed
as overlapping pairs of characters, which finds words of two characters; pg_trgm needs three.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lmort_memory.store.words.tokenizer import WORD

__all__ = ["Indexed", "Term", "any_of", "hashes_of", "index_of", "phrase_of", "term_of"]

MOST_BYTES = 900_000  # of a tsvector; PostgreSQL's limit is 1 MB
MOST_CHARS = 200  # of a word; a lexeme may have 2,046 bytes
LAST_POSITION = 16_383  # PostgreSQL's greatest
POSITIONS = 255  # of one lexeme
LONGEST_STEMMED = 64  # as in FTS5
_lock = threading.Lock()
_stemmer: list[Any] = []


@dataclass(frozen=True, slots=True)
class Indexed:
    """The words of a text: a tsvector as text, and the hashes of the stems in order."""

    body: str
    stems: bytes


@dataclass(frozen=True, slots=True)
class Term:
    """A word, a phrase, or the beginning of words.

    Attributes:
        query: The tsquery that finds it.
        hashes: Of its stems, in order.
        prefix: Whether any word that begins with it counts.
    """

    query: str
    hashes: tuple[int, ...]
    prefix: bool


def index_of(folded: str) -> Indexed:
    """Index a text that `rows.searchable` folded."""
    stems = [_stem(word) for word in WORD.findall(folded)]
    places: dict[str, list[int]] = {}
    size = 0
    for number, stem in enumerate(stems, 1):
        found = places.get(stem)
        if found is None:
            size += len(stem.encode()) + 8
            if size > MOST_BYTES:
                continue  # a megabyte of different words is not text
            places[stem] = [min(number, LAST_POSITION)]
        elif len(found) < POSITIONS and number <= LAST_POSITION:
            size += 2
            found.append(number)
    body = " ".join(f"'{stem}':{','.join(map(str, found))}" for stem, found in places.items())
    return Indexed(body, np.fromiter(map(_hash, stems), "<u4", len(stems)).tobytes())


def term_of(quoted: str) -> Term | None:
    """Read a term of `query_terms`, such as `"bees"`, `"2024-05-01"` or `"蜂" *`."""
    found = phrase_of(quoted.strip('" *'))
    if found is None or not quoted.endswith("*"):
        return found
    return Term(f"{found.query}:*", found.hashes, prefix=True)


def phrase_of(text: str) -> Term | None:
    """Return folded words, separated by anything, as words that follow each other."""
    stems = [_stem(word) for word in WORD.findall(text)]
    if not stems:
        return None
    query = " <-> ".join(f"'{stem}'" for stem in stems)
    return Term(f"({query})" if len(stems) > 1 else query, tuple(map(_hash, stems)), prefix=False)


def any_of(terms: list[Term]) -> str:
    """Return the tsquery that finds what contains any of the terms."""
    return " | ".join(term.query for term in terms)


def hashes_of(stems: bytes) -> NDArray[np.uint32]:
    """Return what `Indexed.stems` holds."""
    return np.frombuffer(stems, "<u4")


def _hash(stem: str) -> int:
    return crc32(stem.encode())


def _stem(word: str) -> str:
    return _stemmed(word[:MOST_CHARS])


@lru_cache(maxsize=200_000)
def _stemmed(word: str) -> str:
    if not 3 <= len(word.encode()) <= LONGEST_STEMMED:
        return word
    with _lock:  # a stemmer holds the word that it works on
        if not _stemmer:
            import snowballstemmer

            _stemmer.append(snowballstemmer.stemmer("porter"))
        found: str = _stemmer[0].stemWord(word)
    return found
