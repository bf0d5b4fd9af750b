"""The options shared by commands."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from lmort_memory.text import counted, valid, valid_json

from .opening import chosen_scope
from .terminal.output import note

__all__ = [
    "MOST",
    "Base",
    "Choice",
    "Models",
    "Redact",
    "WrongUsage",
    "given_text",
    "parse_object",
    "parse_time",
    "parse_where",
]


class WrongUsage(typer.BadParameter):
    """Options that are valid alone but not together; exit status 2."""

    def format_message(self) -> str:
        """Return only the message: no single option is at fault."""
        return self.message


def given_text(text: str) -> str:
    """Return a text given as an argument; "-" reads stdin."""
    if text != "-":
        return text
    return read_stdin(sys.stdin.read)


def read_stdin(read: Callable[[int], str]) -> str:
    """Read stdin without a byte order mark, replace what is not UTF-8 by U+FFFD, and count that.

    `main` lets such bytes through as lone surrogates.

    Raises:
        WrongUsage: there is no end to it.
    """
    with counted() as replaced:
        text = valid(read(MOST_TYPED + 1)).removeprefix(_BYTE_ORDER_MARK)
    if len(text) > MOST_TYPED:
        raise WrongUsage(
            f"stdin has more than {MOST_TYPED:,} characters — put a long text in a file and import"
            " it: lmort-mem import FILE"
        )
    if replaced.characters:
        note(f"stdin was not all UTF-8; replaced by U+FFFD: {replaced.characters} x")
    return text


_BYTE_ORDER_MARK = "\ufeff"  # Windows begins piped text with it
MOST_TYPED = 16 << 20  # characters of one text: a book has a million
MOST = 1_000_000  # maximum records per call
_MOST_DIGITS = 4_000

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_YEAR_OR_MONTH = re.compile(r"\d{4}(?:-\d{2})?")


def parse_time(text: str | datetime) -> datetime:
    """Read a time: ISO 8601 (local without a zone), an age such as 12h, or "last week"."""
    if isinstance(text, datetime):
        return text
    try:
        if text[:-1].isdigit() and text[-1] in _UNITS:
            return datetime.now(UTC) - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        from lmort_memory.importers.dates_in_figures import from_figures
        from lmort_memory.memory.times import spoken

        read = {from_figures(text, months_lead=lead) for lead in (False, True)}
        days = [day for day in read if day is not None]
        if len(days) == 1:
            return days[0]
        if days:
            raise typer.BadParameter(
                f"{text!r} is one day in Britain and another in America — write 2024-05-01"
            ) from error
        asked = f"in {text}" if _YEAR_OR_MONTH.fullmatch(text) else text
        span = spoken(asked, datetime.now(UTC).astimezone())
        if span is not None:
            return span.start
        raise typer.BadParameter(
            f"{text!r} is not a time — give 2024-05-01, 2024-05-01T10:00, 2024-05, an age such as"
            ' 7d, or "last week"'
        ) from error


def parse_object(text: str | dict[str, Any]) -> dict[str, Any]:
    """Read a JSON object that can be stored."""
    if isinstance(text, dict):
        return text
    try:
        value = json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{text!r:.80} is not valid JSON: {_reason(error)}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{text!r:.80} is not a JSON object")
    try:
        valid_json(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:  # Python refuses more with advice that is for programmers
        raise ValueError(f"a number of {len(digits)} digits is too long; store it as a string")
    return int(digits)


def _reason(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def parse_where(text: str | dict[str, Any]) -> dict[str, Any]:
    """Read conditions on metadata, in the grammar of `lmort_memory.store.filters`."""
    from lmort_memory.store.filters import compile_filter
    from lmort_memory.store.values import Filter

    where = parse_object(text)
    try:
        compile_filter(Filter(where=where))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return where


Redact = Annotated[
    bool | None,
    typer.Option(
        "--redact/--no-redact",
        help="Replace keys, tokens, passwords and card numbers. [env: LMORT_REDACT]",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Base:
    """Where the memory is, and how to print results."""

    db: Annotated[
        str | None,
        typer.Option(
            "--db",
            metavar="PATH",
            help="Database: a file, or postgresql://USER@HOST/NAME. [env: LMORT_DB]",
            show_default=False,
        ),
    ] = None
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--passphrase-file",
            metavar="FILE",
            help="The passphrase of an encrypted database is its first line."
            " [env: LMORT_PASSPHRASE_FILE]",
            show_default=False,
        ),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False


@dataclass(frozen=True, slots=True)
class Models:
    """Which weights talk and remember."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="GGUF",
            help="Model file (GGUF). [env: LMORT_MODEL]",
            show_default=False,
        ),
    ] = None
    tuner: Annotated[
        str | None,
        typer.Option(
            "--tuner",
            metavar="GGUF",
            help="Tuner; the model's own by default. [env: LMORT_TUNER]",
            show_default=False,
        ),
    ] = None
    gpu_layers: Annotated[
        int | None,
        typer.Option(
            "--gpu-layers",
            metavar="N",
            help="Layers to run on the GPU, -1 for all. [env: LMORT_GPU_LAYERS]",
            show_default=False,
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            min=1,
            help="Compute threads; one per core by default. [env: LMORT_THREADS]",
            show_default=False,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records to consider."""

    scope: Annotated[
        str | None,
        typer.Option(
            "--scope",
            metavar="NAME",
            help='Only this scope; "*" for all. [env: LMORT_SCOPE]',
            show_default=False,
        ),
    ] = None
    session: Annotated[
        str | None,
        typer.Option("--session", metavar="NAME", help="Only this session.", show_default=False),
    ] = None
    role: Annotated[
        str | None,
        typer.Option(
            "--role", metavar="NAME", help="Only user, assistant, note, …", show_default=False
        ),
    ] = None
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            parser=parse_time,
            metavar="TIME",
            help='Created then or later: 2024-05-01, 7d or "last week".',
            show_default=False,
        ),
    ] = None
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until", parser=parse_time, metavar="TIME", help="Before then.", show_default=False
        ),
    ] = None
    where: Annotated[
        dict[str, Any] | None,
        typer.Option(
            "--where",
            parser=parse_where,
            metavar="JSON",
            help='On metadata: \'{"tags": {"$contains": "bees"}}\'.',
            show_default=False,
        ),
    ] = None

    def filters(self) -> dict[str, Any]:
        """Return the choice as arguments for the library."""
        return {
            "scope": chosen_scope(self.scope),
            "session": self.session,
            "role": self.role,
            "since": self.since,
            "until": self.until,
            "where": self.where,
        }
