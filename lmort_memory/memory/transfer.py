"""JSONL that restores a memory exactly: one record or ledger entry per line.

{"id": …, "text": …, "role": …, "scope": …, "session": …, "created_at": …, "updated_at": …,
 "metadata": {…}, "source": {"uri": …, "start": …, "end": …}, "expires_at": …, "origin": hex,
 "valid_from": …, "valid_to": …, "superseded_by": id (the three only where one of them is set),
 "history": [{"text": …, "role": …, "updated_at": …, "expires_at": …, "metadata": {…}}, …]
            (earlier versions, oldest first; only where there are some),
 "vectors": {space: see `lmort_memory.packing`, with float32}}
{"ledger": id of the reply, "session": …, "created_at": …, "record_ids": […], "payload": {…}}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from lmort_memory.batches import batched
from lmort_memory.compressed import DAMAGE, Lines, open_bytes
from lmort_memory.errors import ImportFileError, StoreError
from lmort_memory.memory.databases import dumped_records, is_database
from lmort_memory.packing import pack, unpack
from lmort_memory.paths import new_private_file, remove_parts
from lmort_memory.redaction import Redactor
from lmort_memory.store.protocol import Store
from lmort_memory.store.values import Dumped, Filter, LedgerEntry
from lmort_memory.store.vectors.matrix import to_halves
from lmort_memory.text import escaped_controls, valid_json
from lmort_memory.types import Progress, Record, Source

__all__ = [
    "Exported",
    "Restored",
    "export_lines",
    "export_records",
    "from_line",
    "ledger_line",
    "refuse_plain",
    "restore_records",
    "restoring",
    "salvage_records",
    "to_line",
]

BATCH = 500  # records in one transaction
MAX_LINE_BYTES = 64 * 1024 * 1024  # a record of a megabyte with the vectors of a large model
_SHOWN = 3

Exported: TypeAlias = "Dumped | LedgerEntry"
"""What one line of an export holds."""


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
    if dumped.history:
        value["history"] = [_version(one) for one in dumped.history]
    if dumped.vectors:
        value["vectors"] = {name: pack(one, floats="<f4") for name, one in dumped.vectors.items()}
    return escaped_controls(json.dumps(value, ensure_ascii=False))


def ledger_line(entry: LedgerEntry) -> str:
    """Return a ledger entry as one line of JSON, without the newline."""
    value = {
        "ledger": entry.reply_id,
        "session": entry.session,
        "created_at": entry.created_at and entry.created_at.isoformat(),
        "record_ids": entry.record_ids,
        "payload": dict(entry.payload),
    }
    return escaped_controls(json.dumps(value, ensure_ascii=False))


def _version(version: Record) -> dict[str, Any]:
    return {
        "text": version.text,
        "role": version.role,
        "updated_at": version.updated_at.isoformat(),
        "expires_at": version.expires_at and version.expires_at.isoformat(),
        "metadata": dict(version.metadata),
    }


def from_line(line: str) -> Dumped | LedgerEntry:
    """Parse the record or the ledger entry in a line.

    Raises:
        ValueError: the line was written neither by `to_line` nor by `ledger_line`.
    """
    try:
        value: Any = valid_json(json.loads(line))
        return _ledger(value) if "ledger" in value else _dumped(value)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not an exported record: {error!r}") from error


def _dumped(value: Mapping[str, Any]) -> Dumped:
    source, expires, origin = value["source"], value["expires_at"], value["origin"]
    record = Record(
        id=_text(value, "id"),
        text=_text(value, "text"),
        role=_text(value, "role"),
        scope=_text(value, "scope"),
        session=value["session"] and _text(value, "session"),
        created_at=_aware(value["created_at"]),
        updated_at=_aware(value["updated_at"]),
        metadata=dict(value["metadata"]),
        source=source and _source(source),
        expires_at=expires and _aware(expires),
        valid_from=_time(value, "valid_from"),
        valid_to=_time(value, "valid_to"),
        superseded_by=value.get("superseded_by"),
    )
    packed = value.get("vectors", {})
    vectors = {name: unpack(one, floats="<f4") for name, one in packed.items()}
    for one in vectors.values():
        to_halves(one.vectors)  # refuses what cannot be stored while it is this line's fault alone
    history = tuple(_earlier(record, one) for one in value.get("history", ()))
    return Dumped(record, origin and bytes.fromhex(origin), vectors, history)


def _earlier(record: Record, value: Mapping[str, Any]) -> Record:
    return replace(
        record,
        text=_text(value, "text"),
        role=_text(value, "role"),
        updated_at=_aware(value["updated_at"]),
        expires_at=_time(value, "expires_at"),
        metadata=dict(value["metadata"]),
    )


def _ledger(value: Mapping[str, Any]) -> LedgerEntry:
    named = value["record_ids"]
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise TypeError(f"record_ids must be a list of ids; got {named!r:.40}")
    return LedgerEntry(
        reply_id=_text(value, "ledger"),
        session=value["session"] and _text(value, "session"),
        record_ids=tuple(named),
        payload=dict(value["payload"]),
        created_at=_time(value, "created_at"),
    )


def _source(value: Mapping[str, Any]) -> Source:
    for name in ("start", "end"):
        if not isinstance(value[name], int | None) or abs(value[name] or 0) >= 2**63:
            raise TypeError(f"source.{name} must be a position in a text; got {value[name]!r:.40}")
    return Source(_text(value, "uri"), value["start"], value["end"])


def _time(value: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time that may be missing in files of earlier versions."""
    return _aware(value[name]) if value.get(name) else None


def _aware(text: str) -> datetime:
    """Read a time with a zone, as `to_line` writes every time."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"a time needs a zone, such as +00:00; found {text!r}")
    return when


def _text(value: Mapping[str, Any], name: str) -> str:
    if not isinstance(value[name], str):
        raise TypeError(f"{name} must be a string; got {value[name]!r}")
    text: str = value[name]
    return text


def export_records(store: Store, path: Path, *, scope: str | None, vectors: bool) -> int:
    """Write records and ledger entries to a new file, completely or not at all.

    Returns:
        How many records.

    Raises:
        StoreError: the file exists or cannot be written, or the store is damaged.
    """
    return _write(export_lines(store, scope=scope, vectors=vectors), path)


def export_lines(store: Store, *, scope: str | None, vectors: bool) -> Iterator[tuple[str, bool]]:
    """Yield each line of an export, without the newline, and whether it is a record's.

    Of the ledger, a scope has the entries all of whose records are its own. A turn that only
    repeats others, or was not to be remembered, has an id and no record.
    """
    ids = set()
    for dumped in store.dump(Filter(scope=scope), vectors=vectors):
        ids.add(dumped.record.id)
        yield to_line(dumped), True
    for entry in store.ledgers():
        if scope is None or _names_only(ids, store.get(entry.record_ids)):
            yield ledger_line(entry), False


def _names_only(ids: Collection[str], found: Collection[str]) -> bool:
    return bool(found) and all(id_ in ids for id_ in found)


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
    return _write(((to_line(Dumped(one, None)), True) for one in readable), path)


def _write(lines: Iterable[tuple[str, bool]], path: Path) -> int:
    """Write lines to a new file; whatever is killed, the name stands for all of them."""
    records = 0
    try:
        remove_parts(path)  # they hold texts
        with (
            new_private_file(path) as part,
            part.open("w", encoding="utf-8", newline="\n") as file,
        ):
            for line, is_record in lines:
                file.write(line + "\n")
                records += is_record
    except OSError as error:
        raise StoreError(
            f"cannot export to {path}: {error.strerror} — name a new file in a writable folder"
        ) from error
    return records


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


def restoring(store: Store, redactor: Redactor | None) -> Callable[[Sequence[Exported]], int]:
    """Return a function that stores a batch, redacted if there is a redactor.

    It returns how many records are new. A record whose text contained secrets loses its vectors,
    since they were made from the old text.
    """

    def cleaned(dumped: Dumped) -> Dumped:
        if redactor is None:
            return dumped
        record = redactor.clean(dumped.record)
        vectors = dumped.vectors if record.text == dumped.record.text else {}
        history = tuple(redactor.clean(one) for one in dumped.history)
        return replace(dumped, record=record, vectors=vectors, history=history)

    def restore(batch: Sequence[Exported]) -> int:
        return store.restore(
            [cleaned(one) for one in batch if isinstance(one, Dumped)],
            ledgers=[one for one in batch if isinstance(one, LedgerEntry)],
        )

    return restore


def restore_records(
    restore: Callable[[Sequence[Exported]], int], path: Path, *, progress: Progress | None
) -> Restored:
    """Store the missing records and ledger entries of an export (gzipped or not) or of a database.

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
                done += sum(isinstance(one, Dumped) for one in batch)
                if progress is not None:
                    progress(done, None)
    except OSError as error:
        raise ImportFileError(
            f"cannot restore from {path}: {error} — choose a file written by `export`",
            path=str(path),
        ) from error
    return Restored(done, new, tuple(damage[:_SHOWN]), len(damage))


@contextmanager
def _opened(path: Path, damage: list[str]) -> Iterator[Iterator[list[Exported]]]:
    """Yield the records of an export or a database in batches; adds to `damage` while reading."""
    if is_database(path):
        with dumped_records(path) as records:
            yield batched(records, BATCH)
    else:
        with open_bytes(path) as lines:
            yield _batches(lines, damage)


def _batches(lines: Lines, damage: list[str]) -> Iterator[list[Exported]]:
    batch: list[Exported] = []
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
