"""JSONL that restores records exactly: one record per line, every field, optional vectors.

{"id": …, "text": …, "role": …, "scope": …, "session": …, "created_at": …, "updated_at": …,
 "metadata": {…}, "source": {"uri": …, "start": …, "end": …}, "expires_at": …, "origin": hex,
 "valid_from": …, "valid_to": …, "superseded_by": id (the three only where one of them is set),
 "vectors": {space: {"dim": …, "spans": [[0, 40], …], "data": base64 of float32-LE,
                     "tokens": {"kind": …, "width": bytes a token, "data": [base64, …]}}}}
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from lmort_memory.batches import batched
from lmort_memory.compressed import DAMAGE, Lines, open_bytes
from lmort_memory.errors import ImportFileError, StoreError
from lmort_memory.memory.databases import dumped_records, is_database
from lmort_memory.redaction import Redactor
from lmort_memory.store.protocol import Store
from lmort_memory.store.values import Dumped, Filter
from lmort_memory.text import valid_json
from lmort_memory.types import Encoded, Progress, Record, Source, TokenCodes

__all__ = [
    "Restored",
    "export_records",
    "from_line",
    "refuse_plain",
    "restore_records",
    "restoring",
    "salvage_records",
    "to_line",
]

BATCH = 500  # records in one transaction
MAX_LINE_BYTES = 64 * 1024 * 1024  # a record of a megabyte with the vectors of a large model
_SHOWN = 3


def to_line(dumped: Dumped) -> str:
    """Return a record as one line of JSON, without the newline."""
    record = dumped.record
    source, expires = record.source, record.expires_at
    value: dict[str, Any] = {
        "id": record.id,
        "text": record.text,
        "role": record.role,
        "scope": record.scope,
        "session": record.session,
        "created_at": record.created_at.isoformat(),
        "updated_at": record.updated_at.isoformat(),
        "metadata": dict(record.metadata),
        "source": source and {"uri": source.uri, "start": source.start, "end": source.end},
        "expires_at": expires and expires.isoformat(),
        "origin": dumped.origin and dumped.origin.hex(),
    }
    if record.valid_from or record.valid_to or record.superseded_by:
        value |= {
            "valid_from": record.valid_from and record.valid_from.isoformat(),
            "valid_to": record.valid_to and record.valid_to.isoformat(),
            "superseded_by": record.superseded_by,
        }
    if dumped.vectors:
        value["vectors"] = {name: _vectors(one) for name, one in dumped.vectors.items()}
    return json.dumps(value, ensure_ascii=False)


def from_line(line: str) -> Dumped:
    """Parse the record in a line.

    Raises:
        ValueError: the line was not written by `to_line`.
    """
    try:
        value: Any = valid_json(json.loads(line))
        source, expires, origin = value["source"], value["expires_at"], value["origin"]
        record = Record(
            id=_text(value, "id"),
            text=_text(value, "text"),
            role=_text(value, "role"),
            scope=_text(value, "scope"),
            session=value["session"] and _text(value, "session"),
            created_at=datetime.fromisoformat(value["created_at"]),
            updated_at=datetime.fromisoformat(value["updated_at"]),
            metadata=dict(value["metadata"]),
            source=source and _source(source),
            expires_at=expires and datetime.fromisoformat(expires),
            valid_from=_time(value, "valid_from"),
            valid_to=_time(value, "valid_to"),
            superseded_by=value.get("superseded_by"),
        )
        vectors = dict(_encoded(value.get("vectors", {})))
        return Dumped(record, origin and bytes.fromhex(origin), vectors)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not an exported record: {error!r}") from error


def _source(value: Mapping[str, Any]) -> Source:
    for name in ("start", "end"):
        if not isinstance(value[name], int | None) or abs(value[name] or 0) >= 2**63:
            raise TypeError(f"source.{name} must be a position in a text; got {value[name]!r:.40}")
    return Source(_text(value, "uri"), value["start"], value["end"])


def _vectors(encoded: Encoded) -> dict[str, Any]:
    value = {
        "dim": encoded.vectors.shape[1],
        "spans": encoded.spans,
        "data": base64.b64encode(encoded.vectors.astype("<f4").tobytes()).decode("ascii"),
    }
    if encoded.tokens is not None:
        value["tokens"] = {
            "kind": encoded.tokens.kind,
            "width": encoded.tokens.chunks[0].shape[1],
            "data": [base64.b64encode(one.tobytes()).decode() for one in encoded.tokens.chunks],
        }
    return value


def _encoded(spaces: Mapping[str, Any]) -> Iterator[tuple[str, Encoded]]:
    for name, value in spaces.items():
        spans = tuple((int(start), int(stop)) for start, stop in value["spans"])
        flat = np.frombuffer(base64.b64decode(value["data"], validate=True), "<f4")
        vectors = flat.reshape(len(spans), int(value["dim"])).astype(np.float32)
        yield name, Encoded(vectors, spans, _tokens(value.get("tokens")))


def _tokens(value: Mapping[str, Any] | None) -> TokenCodes | None:
    if value is None:
        return None
    blobs = [base64.b64decode(one, validate=True) for one in value["data"]]
    width = int(value["width"])
    chunks = tuple(np.frombuffer(blob, np.uint8).reshape(-1, width) for blob in blobs)
    return TokenCodes(_text(value, "kind"), chunks)


def _time(value: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time that may be missing in files of earlier versions."""
    return datetime.fromisoformat(value[name]) if value.get(name) else None


def _text(value: Mapping[str, Any], name: str) -> str:
    if not isinstance(value[name], str):
        raise TypeError(f"{name} must be a string; got {value[name]!r}")
    text: str = value[name]
    return text


def export_records(store: Store, path: Path, *, scope: str | None, vectors: bool) -> int:
    """Write records to a new file, completely or not at all; returns how many.

    Raises:
        StoreError: the file exists or cannot be written, or the store is damaged.
    """
    return _write(store.dump(Filter(scope=scope), vectors=vectors), path)


def refuse_plain(store: Store, *, plain: bool) -> None:
    """Refuse to write an encrypted memory in plain text unless that is what is wanted.

    Raises:
        StoreError: it is encrypted and `plain` is False.
    """
    if getattr(store, "encrypted", False) and not plain:
        raise StoreError(
            "the database is encrypted, and an export is plain text — `lmort-mem backup` stays"
            " encrypted; --plain (plain=True in Python) exports readable text"
        )


def salvage_records(store: Store, path: Path, *, scope: str | None) -> int:
    """Write what can be read of a damaged store to a new file; returns how many records.

    Raises:
        StoreError: the file exists or cannot be written.
    """
    readable = (one for one in store.readable_records() if scope in (None, one.scope))
    return _write((Dumped(one, None) for one in readable), path)


def _write(records: Iterable[Dumped], path: Path) -> int:
    count = 0
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with path.open("w", encoding="utf-8", newline="\n") as file:
                for dumped in records:
                    file.write(to_line(dumped) + "\n")
                    count += 1
        except BaseException:
            path.unlink()
            raise
    except OSError as error:
        raise StoreError(
            f"cannot export to {path}: {error.strerror} — name a new file in a writable folder"
        ) from error
    return count


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore.

    Attributes:
        records: Number of records read.
        new: Number of records that were not stored before.
        damage: The first lines that are not records, with the reason.
        damaged: Number of such lines.
    """

    records: int
    new: int
    damage: tuple[str, ...] = ()
    damaged: int = 0

    def describe(self, path: Path) -> str:
        """Describe what could not be restored."""
        return (
            f"{path} is damaged: {'; '.join(self.damage)}"
            f"{f'; and {more} more' if (more := self.damaged - len(self.damage)) else ''}"
            f" — {self.records} records were read, {self.new} of them new"
        )


def restoring(store: Store, redactor: Redactor | None) -> Callable[[Sequence[Dumped]], int]:
    """Return a function that stores a batch of records, redacted if there is a redactor.

    A record whose text contained secrets loses its vectors, since they were made from the old text.
    """
    if redactor is None:
        return store.restore

    def cleaned(dumped: Dumped) -> Dumped:
        record = redactor.clean(dumped.record)
        vectors = dumped.vectors if record.text == dumped.record.text else {}
        return replace(dumped, record=record, vectors=vectors)

    return lambda batch: store.restore([cleaned(one) for one in batch])


def restore_records(
    restore: Callable[[Sequence[Dumped]], int], path: Path, *, progress: Progress | None
) -> Restored:
    """Store the missing records of an export (gzipped or not) or of a database.

    Lines that are not records are skipped and reported in the result.

    Args:
        restore: Stores a batch and returns how many of its records are new.
        path: What `export` or `backup` wrote.
        progress: Called with the number of records done.

    Raises:
        ImportFileError: the file cannot be opened.
    """
    new = done = 0
    damage: list[str] = []
    try:
        with _opened(path, damage) as batches:
            for batch in batches:
                new += restore(batch)
                done += len(batch)
                if progress is not None:
                    progress(done, None)
    except OSError as error:
        raise ImportFileError(
            f"cannot restore from {path}: {error} — choose a file written by `export`",
            path=str(path),
        ) from error
    return Restored(done, new, tuple(damage[:_SHOWN]), len(damage))


@contextmanager
def _opened(path: Path, damage: list[str]) -> Iterator[Iterator[list[Dumped]]]:
    """Yield the records of an export or a database in batches; adds to `damage` while reading."""
    if is_database(path):
        with dumped_records(path) as records:
            yield batched(records, BATCH)
    else:
        with open_bytes(path) as lines:
            yield _batches(lines, damage)


def _batches(lines: Lines, damage: list[str]) -> Iterator[list[Dumped]]:
    batch = []
    number = 0
    try:
        while line := lines.readline(MAX_LINE_BYTES):
            number += 1
            try:
                if line.strip():
                    batch.append(from_line(line.decode("utf-8", "surrogateescape")))
            except ValueError as error:
                damage.append(f"line {number}: {error}")
            if len(batch) == BATCH:
                yield batch
                batch = []
    except (ValueError, *DAMAGE) as error:  # of compressed data
        damage.append(f"after line {number}: {error}")
    if batch:
        yield batch
