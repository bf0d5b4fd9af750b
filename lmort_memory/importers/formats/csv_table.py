"""CSV and TSV tables whose columns somebody has chosen: a turn for each row.

Nothing in a table says which column is text, so none is read without being told:
`Columns.parse(["text=Body", "created_at=Date", "title=Name", "topic=Subject"])`.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from itertools import chain
from pathlib import Path

from lmort_memory.errors import ImportFileError
from lmort_memory.importers.dates_in_figures import from_figures, month_first
from lmort_memory.importers.format import Format, LeftOut, RefusedError, encoding_of, file_uri
from lmort_memory.importers.times import from_epoch, from_words
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT", "Columns", "csv_format"]

_DELIMITERS = ",;\t|"
_MOST_CHARS = 1 << 24  # of a cell
_FIELDS = ("role", "session", "created_at")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column is what.

    Attributes:
        text: The columns whose cells make the text, in this order; one at least.
        fields: Of role, session, created_at: the column for each.
        metadata: Other names: the column for each. The name `title` also heads the text.
    """

    text: tuple[str, ...]
    fields: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, given: Iterable[str]) -> Columns:
        """Read `NAME=COLUMN` pairs.

        Raises:
            ValueError: a pair without "=", or none for `text`.
        """
        pairs = []
        for pair in given:
            name, equals, column = pair.partition("=")
            if not equals or not name.strip() or not column.strip():
                raise ValueError(f"{pair!r} is not NAME=COLUMN, such as text=Body")
            pairs.append((name.strip(), column.strip()))
        text = tuple(column for name, column in pairs if name == "text")
        if not text:
            raise ValueError("no column is the text: add text=COLUMN")
        others = [pair for pair in pairs if pair[0] != "text"]
        return cls(
            text,
            tuple(pair for pair in others if pair[0] in _FIELDS),
            tuple(pair for pair in others if pair[0] not in _FIELDS),
        )

    @property
    def wanted(self) -> tuple[str, ...]:
        """Every column that is named."""
        return (*self.text, *(column for _, column in (*self.fields, *self.metadata)))


def csv_format(columns: Columns) -> Format:
    """Return a format that reads tables which have these columns."""
    chosen = zlib.crc32(f"2 {columns!r}".encode())  # other columns: the file is read again
    return Format(
        name="csv",
        suffixes=(".csv", ".tsv"),
        matches=lambda path: _has(path, columns),
        read=lambda path, left_out: _read(path, columns, left_out),
        version=chosen,
        about=FORMAT.about,
    )


def _has(path: Path, columns: Columns) -> bool:
    found = _header(path)
    missing = [column for column in columns.wanted if column not in found]
    if missing:
        raise RefusedError(f"it has no column {missing[0]!r}; it has {', '.join(found) or 'none'}")
    return True


def _refuse(path: Path) -> bool:
    raise RefusedError("say which column is its text: --column text=NAME")


def _header(path: Path) -> list[str]:
    try:
        with _opened(path) as (delimiter, lines):
            return [name.strip() for name in next(csv.reader(lines, delimiter=delimiter), [])]
    except UnicodeDecodeError as error:
        raise RefusedError("it is not UTF-8 — save it as “CSV UTF-8”") from error
    except csv.Error:
        return []


@contextmanager
def _opened(path: Path) -> Iterator[tuple[str, Iterator[str]]]:
    """Open a table: its delimiter, and its lines from the header on.

    Above the header may stand empty lines and, for Excel, a line that names the delimiter.
    """
    with path.open(encoding=encoding_of(path), newline="") as stream:
        first = next((line for line in stream if line.strip("\0 \r\n")), "")
        if named := re.fullmatch(r'"?sep=(.)"?\s*', first):
            first = next(stream, "")
        yield named[1] if named else _delimiter(first), chain([first], stream)


def _delimiter(line: str) -> str:
    """Return the sign that stands most often in the header, outside of quotes."""
    bare = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=bare.count)


def _read(path: Path, columns: Columns, left_out: LeftOut) -> Iterator[Turn]:
    before = csv.field_size_limit(_MOST_CHARS)
    try:
        months_lead = cache(partial(_months_lead, path, columns))
        for row in _rows(path, left_out):
            if turn := _turn(row, columns, path, months_lead=months_lead):
                if turn.created_at is None and _cell(row, _dates(columns)):
                    left_out["date that cannot be read"] += 1
                yield turn
            else:
                left_out["row without text"] += 1
    except (UnicodeDecodeError, csv.Error) as error:
        raise ImportFileError(
            f"{path} cannot be read: {error} — save it as CSV in UTF-8", path=str(path)
        ) from error
    finally:
        csv.field_size_limit(before)


def _rows(path: Path, left_out: LeftOut | None = None) -> Iterator[dict[str, str]]:
    """Yield the rows; count those that a quote without an end makes part of another."""
    with _opened(path) as (delimiter, lines):
        taken: list[str] = []  # lines since the row before
        rows = csv.DictReader(_noting(lines, taken), delimiter=delimiter)
        rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
        taken.clear()
        last: list[str] = []
        for row in rows:
            last = taken.copy()
            taken.clear()
            yield row
        if left_out is not None and len(last) > 1 and _is_open(last, delimiter):
            left_out["row after a quote that is never closed"] += len(last) - 1


def _noting(lines: Iterator[str], noted: list[str]) -> Iterator[str]:
    for line in lines:
        noted.append(line)
        yield line


def _is_open(lines: list[str], delimiter: str) -> bool:
    """Return whether a row ends within a quoted cell, as only the last one of a table can."""
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "end of data" in str(error)
    return False


def _cell(row: dict[str, str], column: str) -> str:
    return (row.get(column) or "").strip("\0 \t\r\n")


def _dates(columns: Columns) -> str:
    """Return the column of the dates; there may be none."""
    return dict(columns.fields).get("created_at", "")


def _months_lead(path: Path, columns: Columns) -> bool:
    """Return whether 3/4/2024 is in March, as all of the dates have it."""
    column = _dates(columns)
    with suppress(UnicodeDecodeError, csv.Error):  # said when the rows are read
        return bool(column) and month_first(_cell(row, column) for row in _rows(path))
    return False


def _turn(
    row: dict[str, str], columns: Columns, path: Path, *, months_lead: Callable[[], bool]
) -> Turn | None:
    def cell(column: str) -> str:
        return _cell(row, column)

    body = "\n\n".join(text for column in columns.text if (text := cell(column)))
    if not body:
        return None
    fields = {name: cell(column) for name, column in columns.fields}
    metadata: dict[str, JsonValue] = {"format": "csv"}
    metadata.update((name, cell(column)) for name, column in columns.metadata if cell(column))
    title = metadata.get("title")
    return Turn(
        text=f"{title}\n\n{body}" if title else body,
        role=fields.get("role") or "note",
        session=fields.get("session") or None,
        created_at=_time(fields.get("created_at", ""), months_lead=months_lead),
        metadata=metadata,
        source=Source(file_uri(path)),
    )


def _time(text: str, *, months_lead: Callable[[], bool]) -> datetime | None:
    """Read ISO 8601, English words, figures as spreadsheets have them, or seconds since 1970.

    `months_lead` reads the table, so it is asked only where a date can be two days.
    """
    when = from_epoch(text) or from_words(text)
    return when or (from_figures(text, months_lead=months_lead()) if text else None)


FORMAT = Format(
    name="csv",
    suffixes=(".csv", ".tsv"),
    matches=_refuse,
    read=lambda path, left_out: iter(()),
    about="CSV and TSV tables, with --column text=NAME",
)
