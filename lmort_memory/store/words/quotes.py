"""Find records that quote others: a forgotten sentence may survive in a reply."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence

from lmort_memory.store.words.tokenizer import words_of

__all__ = ["phrases", "pieces", "quoting"]

RUN = 6  # consecutive words that are not a coincidence
SHORTEST = 3  # words; shorter texts cannot be told from ordinary speech
PIECE = 32  # characters that are not a coincidence
# What the full-text index does not hold: earlier versions, and most metadata.
ELSEWHERE = """
SELECT r.id FROM records r WHERE r.metadata <> '{}' AND EXISTS (
    SELECT 1 FROM json_each(:escaped) WHERE instr(r.metadata, value))
UNION SELECT r.id FROM records r JOIN history h ON h.n = r.n WHERE EXISTS (
    SELECT 1 FROM json_each(:pieces) WHERE instr(h.text, value)) OR EXISTS (
    SELECT 1 FROM json_each(:escaped) WHERE instr(h.metadata, value))
ORDER BY r.id LIMIT :limit
"""


def quoting(connection: sqlite3.Connection, texts: Sequence[str], *, limit: int) -> list[str]:
    """Return the ids of records that contain the start, the middle or the end of a text.

    The full-text index finds them, so case and punctuation are ignored. Earlier versions and
    metadata are read through, character by character: a forget rewrites the file anyway.
    """
    looked_for = dict.fromkeys(f'"{one}"' for text in texts for one in phrases(text))
    if not looked_for:
        return []
    found = connection.execute(
        "SELECT r.id FROM words JOIN records r ON r.n = words.rowid WHERE words MATCH ?"
        " ORDER BY r.n LIMIT ?",
        (" OR ".join(looked_for), limit),
    ).fetchall()
    cut, escaped = pieces(texts)
    given = {"pieces": json.dumps(cut), "escaped": json.dumps(escaped), "limit": limit}
    found += connection.execute(ELSEWHERE, given).fetchall()
    return list(dict.fromkeys(id_ for (id_,) in found))[:limit]


def pieces(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the start, the middle and the end of texts: as they are written, and as in JSON."""
    found = dict.fromkeys(one for text in texts for one in _cut(text.strip()))
    return list(found), [json.dumps(one, ensure_ascii=False)[1:-1] for one in found]


def _cut(text: str) -> Iterator[str]:
    if len(words_of(text)) >= SHORTEST:
        for start in {0, max(0, len(text) // 2 - PIECE // 2), max(0, len(text) - PIECE)}:
            yield text[start : start + PIECE]


def phrases(text: str) -> Iterator[str]:
    """Yield the start, the middle and the end of a text as folded words, separated by spaces."""
    words = words_of(text)
    if len(words) < SHORTEST:
        return
    for start in {0, max(0, len(words) // 2 - RUN // 2), max(0, len(words) - RUN)}:
        yield " ".join(words[start : start + RUN])
