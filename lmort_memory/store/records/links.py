"""Find the notes that link to a note, by its name in the full-text index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from lmort_memory.store.clock import now_us
from lmort_memory.store.records import rows
from lmort_memory.store.words.tokenizer import fold
from lmort_memory.types import JsonValue, Record

__all__ = ["LOOKED_AT", "linking", "names_of", "pick"]

LOOKED_AT = 200  # records to check that contain the name's words; only some link to it
CANDIDATES = f"""
SELECT {rows.COLUMNS} FROM words CROSS JOIN records r ON r.n = words.rowid
WHERE words MATCH ? AND r.scope = ? AND r.source_uri IS NOT ?
      AND (r.expires_at IS NULL OR r.expires_at > ?) ORDER BY r.n DESC LIMIT ?
"""


def linking(connection: sqlite3.Connection, record: Record, n: int) -> list[Record]:
    """Return up to `n` records of other sources whose links name the note of a record.

    A note's names are its file, its title and its aliases. Only the latest record of each source
    counts.
    """
    names = names_of(record)
    terms = [f'"{words}"' for name in names if (words := fold(name).replace('"', " ").strip())]
    if not terms or record.source is None:
        return []
    asked = (" OR ".join(terms), record.scope, record.source.uri, now_us(), LOOKED_AT)
    return pick(map(rows.to_record, connection.execute(CANDIDATES, asked)), names, n)


def names_of(record: Record) -> set[str]:
    """Return the names by which links can name a record's note."""
    return set(map(_folded, _names(record)))


def pick(others: Iterable[Record], names: set[str], n: int) -> list[Record]:
    """Return the first `n` records of different sources that link to one of the names."""
    found: dict[str, Record] = {}
    for other in others:
        if other.source is not None and names & set(map(_folded, _links(other))):
            found.setdefault(other.source.uri, other)
            if len(found) == n:
                break
    return list(found.values())


def _names(record: Record) -> Iterator[str]:
    if record.source is not None and record.role == "note":
        yield PurePath(record.source.uri).stem
        for key, value in record.metadata.items():
            if key.lower() in ("title", "aliases", "alias"):
                yield from _texts(value)


def _links(record: Record) -> Iterator[str]:
    for key in ("links", "note_links"):
        yield from _texts(record.metadata.get(key))


def _texts(value: JsonValue) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield item


def _folded(name: str) -> str:
    """Return the last part of a path in a vault, normalised for comparison."""
    return name.rpartition("/")[2].strip().casefold()
