"""The state of a record as rows, and rows as a state; inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lmort_memory.errors import SpaceMismatchError
from lmort_memory.store.clock import from_us
from lmort_memory.store.records import rows
from lmort_memory.store.replica.state import Part, RecordState, Version
from lmort_memory.store.vectors import spaces
from lmort_memory.types import Record, Source

if TYPE_CHECKING:
    from lmort_memory.types import Encoded

__all__ = ["add_vectors", "delete_row", "load", "number_of", "save", "text_of"]

READ = """
SELECT r.n, r.id, r.scope, r.session, r.source_uri, r.origin,
       r.updated_at, r.role, r.text, r.metadata, r.expires_at,
       r.created_at, r.source_start, r.source_end, r.valid_from, r.valid_to, r.superseded_by
FROM records r WHERE r.id = ?
"""
HISTORY = "SELECT updated_at, role, text, metadata, expires_at FROM history WHERE n = ? ORDER BY h"
CHANGE = """
UPDATE records SET id = ?, text = ?, role = ?, updated_at = ?, expires_at = ?, metadata = ?,
    created_at = ?, source_start = ?, source_end = ?, valid_from = ?, valid_to = ?,
    superseded_by = ?
WHERE n = ?
"""
KEEP = """
INSERT INTO history (n, updated_at, role, text, metadata, expires_at) VALUES (?, ?, ?, ?, ?, ?)
"""
STAMP = "INSERT OR REPLACE INTO stamps (id, part, at, device) VALUES (?, ?, ?, ?)"


def load(
    connection: sqlite3.Connection, record_id: str, *, vectors: bool = False
) -> RecordState | None:
    """Return the state of a record; None if there is no such record."""
    row = connection.execute(READ, (record_id,)).fetchone()
    if row is None:
        return None
    n, id_, scope, session, uri, origin, *rest = row
    stamps = {
        part: (at, device)
        for part, at, device in connection.execute(
            "SELECT part, at, device FROM stamps WHERE id = ?", (id_,)
        )
    }
    texts = [*connection.execute(HISTORY, (n,)), tuple(rest[:5])]
    versions = [_version(text, stamps) for text in texts]
    created, start, end, valid_from, valid_to, superseded_by = rest[5:]
    values: dict[str, tuple[Any, ...]] = {
        "place": (created, start, end),
        "begin": (valid_from,),
        "end": (valid_to, superseded_by),
    }
    return RecordState(
        id=id_,
        scope=scope,
        session=session,
        uri=uri,
        versions=tuple(sorted(versions, key=lambda one: one.key)),
        parts={name: Part(*stamps.get(name, (0, "")), value) for name, value in values.items()},
        origin=origin,
        vectors=_vectors(connection, id_) if vectors else {},
    )


def _version(row: tuple[Any, ...], stamps: Mapping[str, tuple[int, str]]) -> Version:
    at, role, text, metadata, expires = row
    return Version(at, role, text, metadata, expires, *stamps.get(f"v{at}", (0, "")))


def _vectors(connection: sqlite3.Connection, record_id: str) -> dict[str, Encoded]:
    found = {
        name: spaces.read_vectors(connection, name, [record_id]).get(record_id)
        for name in spaces.list_names(connection)
    }
    return {name: one for name, one in found.items() if one is not None}


def number_of(connection: sqlite3.Connection, record_id: str) -> int | None:
    """Return the row number of a record."""
    row = connection.execute("SELECT n FROM records WHERE id = ?", (record_id,)).fetchone()
    return None if row is None else int(row[0])


def text_of(connection: sqlite3.Connection, n: int) -> str:
    """Return the text of a row."""
    text: str = connection.execute("SELECT text FROM records WHERE n = ?", (n,)).fetchone()[0]
    return text


def save(connection: sqlite3.Connection, state: RecordState, n: int | None) -> int:
    """Write a state as row `n`, or as a new row; returns its number. Vectors are not written."""
    record = _record(state)
    if n is None:
        n = rows.insert_record(connection, record, None)
    else:
        present = text_of(connection, n)
        _change(connection, state, n)
        words = rows.searchable(record)
        connection.execute("UPDATE words SET body = ? WHERE rowid = ?", (words, n))
        if present != state.current.text:
            spaces.drop_vectors(connection, n)
        connection.execute("DELETE FROM history WHERE n = ?", (n,))
    kept = [(n, v.at, v.role, v.text, v.metadata, v.expires) for v in state.versions[:-1]]
    connection.executemany(KEEP, kept)
    connection.executemany(STAMP, _stamps(state))
    return n


def _change(connection: sqlite3.Connection, state: RecordState, n: int) -> None:
    now = state.current
    words = (state.id, now.text, now.role, now.at, now.expires, now.metadata)
    places = (state.parts[name].value for name in ("place", "begin", "end"))
    connection.execute(CHANGE, (*words, *(value for part in places for value in part), n))


def _stamps(state: RecordState) -> Iterable[tuple[str, str, int, str]]:
    for name, part in state.parts.items():
        if part.at:
            yield state.id, name, part.at, part.device
    for version in state.versions:
        if version.stamped:
            yield state.id, f"v{version.at}", version.stamped, version.device


def _record(state: RecordState) -> Record:
    now = state.current
    created, start, end = state.parts["place"].value
    (valid_from,) = state.parts["begin"].value
    valid_to, superseded_by = state.parts["end"].value
    return Record(
        id=state.id,
        text=now.text,
        role=now.role,
        scope=state.scope,
        session=state.session,
        created_at=from_us(int(created or 0)),
        updated_at=from_us(now.at),
        metadata=json.loads(now.metadata),
        source=None if state.uri is None else Source(state.uri, _int(start), _int(end)),
        expires_at=None if now.expires is None else from_us(now.expires),
        valid_from=None if valid_from is None else from_us(int(valid_from)),
        valid_to=None if valid_to is None else from_us(int(valid_to)),
        superseded_by=None if superseded_by is None else str(superseded_by),
    )


def _int(value: int | str | None) -> int | None:
    return None if value is None else int(value)


def add_vectors(
    connection: sqlite3.Connection, state: RecordState, wanted: Collection[str] | None
) -> None:
    """Store a state's vectors in the wanted spaces (None: all) that the record still lacks."""
    chosen = {name: one for name, one in state.vectors.items() if wanted is None or name in wanted}
    record = _record(state)
    for name, encoded in chosen.items():
        try:
            spaces.put_vectors(connection, name, [record], [encoded])
        except SpaceMismatchError:  # another width: made anew
            continue


def delete_row(connection: sqlite3.Connection, n: int) -> None:
    """Delete a row whose content another row has taken over."""
    spaces.drop_vectors(connection, n)
    connection.execute("DELETE FROM words WHERE rowid = ?", (n,))
    connection.execute("DELETE FROM history WHERE n = ?", (n,))
    connection.execute("DELETE FROM records WHERE n = ?", (n,))
