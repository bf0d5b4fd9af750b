"""Find records that quote others: a forgotten sentence may survive in a reply."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from lmort_memory.store.words.tokenizer import words_of

__all__ = ["phrases", "quoting"]

RUN = 6  # consecutive words that are not a coincidence
SHORTEST = 3  # words; shorter texts cannot be told from ordinary speech


def quoting(connection: sqlite3.Connection, texts: Sequence[str], *, limit: int) -> list[str]:
    """Return the ids of records that contain the start, the middle or the end of a text.

    The full-text index finds them, so the size of the store does not matter; case and punctuation
    are ignored.
    """
    looked_for = dict.fromkeys(f'"{one}"' for text in texts for one in phrases(text))
    if not looked_for:
        return []
    found = connection.execute(
        "SELECT r.id FROM words JOIN records r ON r.n = words.rowid WHERE words MATCH ?"
        " ORDER BY r.n LIMIT ?",
        (" OR ".join(looked_for), limit),
    )
    return [id_ for (id_,) in found]


def phrases(text: str) -> Iterator[str]:
    """Yield the start, the middle and the end of a text as folded words, separated by spaces."""
    words = words_of(text)
    if len(words) < SHORTEST:
        return
    for start in {0, max(0, len(words) // 2 - RUN // 2), max(0, len(words) - RUN)}:
        yield " ".join(words[start : start + RUN])
