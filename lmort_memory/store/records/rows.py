"""Turns and records as rows: the columns, the digest that makes a turn unique, single inserts."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from types import UnionType
from typing import Any

from lmort_memory.errors import RecordNotFoundError
from lmort_memory.store.clock import from_us, now_us, to_us
from lmort_memory.store.damaged import reading
from lmort_memory.store.ulid import new_id
from lmort_memory.store.values import SessionInfo
from lmort_memory.store.words.tokenizer import indexed
from lmort_memory.text import whole_json
from lmort_memory.types import JsonValue, Record, Source, Turn

__all__ = [
    "COLUMNS",
    "again",
    "dump_metadata",
    "find",
    "insert",
    "insert_record",
    "load_metadata",
    "new_record",
    "origin_of",
    "says_anew",
    "searchable",
    "to_record",
    "to_row",
    "to_session",
]

COLUMNS = (
    "r.n, r.id, r.text, r.role, r.scope, r.session, r.created_at, r.updated_at, r.metadata,"
    " r.source_uri, r.source_start, r.source_end, r.expires_at,"
    " r.valid_from, r.valid_to, r.superseded_by"
)
INSERT = """
INSERT INTO records (id, text, role, scope, session, created_at, updated_at, metadata,
                     source_uri, source_start, source_end, expires_at,
                     valid_from, valid_to, superseded_by, origin)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


# Metadata from importers that nobody searches for.
_NOT_SEARCHED = frozenset(
    """format note_format message_id conversation_id model folder branch headings note_headings
    links note_links""".split()  # noqa: SIM905
)
_MAYBE_TEXT = str | None
_MAYBE_NUMBER = int | None
_MOST_CHARS = 4_000  # limit for metadata; more would outweigh the text


def origin_of(turn: Turn, *, occurrence: int | None = None) -> bytes:
    """Return the digest under which a turn is stored only once.

    It covers text, role, scope, session and origin: the source and span or, without a source, the
    given time. A turn in a session that has neither is always new, because people say "yes" more
    than once. With `occurrence`, equal turns of one source are numbered and the span, which moves
    when a file is edited, is ignored.
    """
    place: list[JsonValue]
    if turn.source is None:
        timeless = turn.created_at is None
        place = [new_id() if timeless and turn.session else _maybe_us(turn)]
    elif occurrence is None:
        place = [turn.source.uri, turn.source.start, turn.source.end, _maybe_us(turn)]
    else:
        place = [turn.source.uri, "occurrence", occurrence]
    parts = [turn.scope, turn.session, turn.role, turn.text, *place]
    return blake2b(json.dumps(parts).encode(), digest_size=16).digest()


def says_anew(turn: Turn) -> bool:
    """Return whether a turn says what holds now, so that it is new where this had been replaced.

    What has a source or a time is the same however often it is imported; without either, a turn in
    a session is new in any case.
    """
    return turn.source is None and turn.created_at is None and turn.session is None


def again(origin: bytes) -> bytes:
    """Return the origin of the same content, said anew after it had been replaced.

    It follows from the first one alone, so that devices that sync agree, and the replaced record
    keeps its own.
    """
    return blake2b(origin, digest_size=16).digest()


def find(connection: sqlite3.Connection, record_id: str) -> tuple[int, Record]:
    """Return the row number and the record of an id.

    Raises:
        RecordNotFoundError: no record has the id.
    """
    sql = f"SELECT {COLUMNS} FROM records r WHERE r.id = ?"
    row = connection.execute(sql, (record_id,)).fetchone()
    if row is None:
        raise RecordNotFoundError(record_id)
    return row[0], to_record(row)


def insert(connection: sqlite3.Connection, turn: Turn, origin: bytes) -> tuple[int, Record]:
    """Insert a turn and its words; returns the row number and the record."""
    record = new_record(turn)
    return insert_record(connection, record, origin), record


def new_record(turn: Turn) -> Record:
    """Return the record that a turn becomes, with a new id."""
    now = now_us()
    created = now if turn.created_at is None else to_us(turn.created_at)
    return Record(
        id=new_id(),
        text=turn.text,
        role=turn.role,
        scope=turn.scope,
        session=turn.session,
        created_at=from_us(created),
        updated_at=from_us(now),
        metadata=json.loads(dump_metadata(turn.metadata)),
        source=turn.source,
        expires_at=None if turn.expires_at is None else from_us(to_us(turn.expires_at)),
    )


def insert_record(connection: sqlite3.Connection, record: Record, origin: bytes | None) -> int:
    """Insert a complete record under its own id; returns its row number."""
    n = connection.execute(INSERT, to_row(record, origin)).lastrowid
    assert n is not None  # an INSERT that did not raise has one
    connection.execute("INSERT INTO words (rowid, body) VALUES (?, ?)", (n, searchable(record)))
    return n


def to_row(record: Record, origin: bytes | None) -> tuple[object, ...]:
    """Return the values of a record, in the order of the columns of `INSERT`."""
    source = record.source or Source(uri="")
    return (
        record.id,
        record.text,
        record.role,
        record.scope,
        record.session,
        to_us(record.created_at),
        to_us(record.updated_at),
        dump_metadata(record.metadata),
        record.source and source.uri,
        source.start,
        source.end,
        record.expires_at and to_us(record.expires_at),
        record.valid_from and to_us(record.valid_from),
        record.valid_to and to_us(record.valid_to),
        record.superseded_by,
        origin,
    )


def searchable(record: Record | Turn) -> str:
    """Return the folded words of a record for the full-text index.

    These are the text, the title of its document and, for a note, its properties, so that a note is
    found by its aliases. Words that the text already contains are not repeated. Identifiers in
    groups follow in one piece.
    """
    known = record.metadata.items() if record.role == "note" else ()
    values = [record.metadata.get("title"), *(v for key, v in known if key not in _NOT_SEARCHED)]
    said = [word for value in values for word in _words(value) if word not in record.text]
    return indexed("\n".join([record.text, *dict.fromkeys(said)])[: len(record.text) + _MOST_CHARS])


def _words(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _words(item)


def to_record(row: tuple[Any, ...]) -> Record:
    """Return the record of a row of `COLUMNS`.

    Raises:
        DamagedStoreError: the row is damaged: it holds a value that this program never writes.
    """
    with reading(f"the record {row[1]!r:.40}"):
        return _to_record(row)


def to_session(row: tuple[Any, ...]) -> SessionInfo:
    """Return the session of a row: its turns, its last time, and `COLUMNS` of its first record.

    Raises:
        DamagedStoreError: the row is damaged: it holds a value that this program never writes.
    """
    turns, last_at, *first = row
    with reading("a time of a session"):
        return SessionInfo(first=to_record(tuple(first)), turns=turns, last_at=from_us(last_at))


def _to_record(row: tuple[Any, ...]) -> Record:
    (_, id_, text, role, scope, session, created, updated, metadata, *rest) = row
    (uri, start, end, expires, valid_from, valid_to, superseded_by) = rest
    for value in (id_, text, role, scope, metadata):
        _expect(value, str)
    for value in (session, uri, superseded_by):
        _expect(value, _MAYBE_TEXT)
    for value in (start, end):
        _expect(value, _MAYBE_NUMBER)
    return Record(
        id=id_,
        text=text,
        role=role,
        scope=scope,
        session=session,
        created_at=from_us(created),
        updated_at=from_us(updated),
        metadata=load_metadata(metadata),
        source=None if uri is None else Source(uri, start, end),
        expires_at=None if expires is None else from_us(expires),
        valid_from=None if valid_from is None else from_us(valid_from),
        valid_to=None if valid_to is None else from_us(valid_to),
        superseded_by=superseded_by,
    )


def _expect(value: object, kind: type | UnionType) -> None:
    if not isinstance(value, kind):
        wanted = "a number" if kind == _MAYBE_NUMBER else "text"
        raise TypeError(f"expected {wanted}, found {type(value).__name__}")


def dump_metadata(metadata: Mapping[str, JsonValue]) -> str:
    """Return metadata as stored: JSON with sorted keys and no spaces.

    Raises:
        ValueError: a value is not valid JSON: NaN, infinity, or another type.
    """
    try:
        return json.dumps(
            dict(metadata),
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
            sort_keys=True,
        )
    except TypeError as error:
        raise ValueError(f"metadata must be JSON with string keys: {error}") from error


def load_metadata(text: str) -> dict[str, JsonValue]:
    """Return the metadata that `dump_metadata` wrote, or another program.

    Half an emoji becomes U+FFFD and a number that is not finite None: an export could not be read.

    Raises:
        ValueError: it is not a JSON object.
    """
    if text == "{}":  # most records, and a recall reads a hundred
        return {}
    if "\\u" in text:  # not written by `dump_metadata`, unless it is a control character
        text = whole_json(text.encode()).decode()
    loaded: JsonValue = json.loads(text, parse_float=_finite, parse_constant=_nothing)
    if not isinstance(loaded, dict):
        raise ValueError("metadata is not a JSON object")
    return loaded


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


def _nothing(_: str) -> None:
    """Read NaN and the infinities, which JSON has not, as None."""


def _maybe_us(turn: Turn) -> int | None:
    return None if turn.created_at is None else to_us(turn.created_at)
