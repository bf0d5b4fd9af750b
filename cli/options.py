"""The options that commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from lmort_memory.text import counted, valid

from .opening import chosen_scope
from .terminal.output import note

__all__ = [
    "MOST",
    "Base",
    "Choice",
    "Models",
    "WrongUsage",
    "given_text",
    "parse_object",
    "parse_time",
    "parse_where",
]


class WrongUsage(typer.BadParameter):
    """A call that cannot be meant, though each of its options is well-formed; exit status 2."""

    def format_message(self) -> str:
        """Return the message alone: no single value is the wrong one."""
        return self.message


def given_text(text: str) -> str:
    """Return a text that was given as an argument; "-" stands for what comes in through stdin."""
    if text != "-":
        return text
    return read_stdin(sys.stdin.read)


def read_stdin(read: Callable[[], str]) -> str:
    """Return what a read of stdin gives, with U+FFFD for what is not UTF-8, and say how much was.

    `main` lets such bytes through as lone surrogates.
    """
    with counted() as replaced:
        text = valid(read())
    if replaced.characters:
        note(f"not UTF-8, and replaced by U+FFFD on stdin: {replaced.characters} x")
    return text


MOST = 1_000_000  # records that one call may ask for

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def parse_time(text: str | datetime) -> datetime:
    """Read a time: ISO 8601, local where it has no zone, an age such as 12h, or "last week"."""
    if isinstance(text, datetime):
        return text
    try:
        if text[:-1].isdigit() and text[-1] in _UNITS:
            return datetime.now(UTC) - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        from lmort_memory.memory.times import spoken

        span = spoken(text, datetime.now(UTC).astimezone())
        if span is not None:
            return span.start
        raise typer.BadParameter(
            f"{text!r} is not a time; give 2024-05-01, 2024-05-01T10:00, an age such as 7d, or"
            ' "last week"'
        ) from error


def parse_object(text: str | dict[str, Any]) -> dict[str, Any]:
    """Read a JSON object."""
    if isinstance(text, dict):
        return text
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{text!r} is no JSON object")
    return value


def parse_where(text: str | dict[str, Any]) -> dict[str, Any]:
    """Read conditions on metadata, of the grammar in `lmort_memory.store.filters`."""
    from lmort_memory.store.filters import compile_filter
    from lmort_memory.store.values import Filter

    where = parse_object(text)
    try:
        compile_filter(Filter(where=where))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return where


@dataclass(frozen=True, slots=True)
class Base:
    """Where the memory is and how results are printed."""

    db: Annotated[
        Path | None,
        typer.Option("--db", metavar="PATH", help="Database. [env: LMORT_DB]", show_default=False),
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
            "--model", metavar="GGUF", help="Model. [env: LMORT_MODEL]", show_default=False
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
            help="Layers on the graphics card, -1 for all. [env: LMORT_GPU_LAYERS]",
            show_default=False,
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            min=1,
            help="Threads that compute; one for each core by default. [env: LMORT_THREADS]",
            show_default=False,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records are meant."""

    scope: Annotated[
        str | None,
        typer.Option(
            "--scope",
            metavar="NAME",
            help='Only this scope; "*" is all of them. [env: LMORT_SCOPE]',
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
            help='From then on: 2024-05-01, 7d or "last week".',
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
        """Return the choice as the arguments that the library takes."""
        return {
            "scope": chosen_scope(self.scope),
            "session": self.session,
            "role": self.role,
            "since": self.since,
            "until": self.until,
            "where": self.where,
        }
