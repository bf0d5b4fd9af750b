"""What the commands print: results on stdout, everything else on stderr.

Colour is used on terminals only, and never with `NO_COLOR` set (https://no-color.org).
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from lmort_memory.types import JsonValue

__all__ = [
    "as_json",
    "ascii_only",
    "day",
    "dim",
    "duration_ms",
    "is_terminal",
    "note",
    "one_line",
    "print_json",
    "say",
    "size",
    "terminal_width",
    "visible",
]


def say(text: str = "") -> None:
    """Print a line of result."""
    print(text)


def note(text: str) -> None:
    """Print a line about the work: a warning, a summary, a hint."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    print(json.dumps(as_json(value), ensure_ascii=ascii_only(), indent=2))


def ascii_only() -> bool:
    """Whether stdout is of an encoding that lacks characters, which JSON can write as ASCII."""
    return (sys.stdout.encoding or "utf-8").lower() not in ("utf-8", "utf8")


def as_json(value: object) -> JsonValue:
    """Turn our values into JSON: dataclasses to objects, times to ISO 8601 in UTC."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"no JSON for a {type(value).__name__}")


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person is looking at the stream on a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def dim(text: str, *, stream: IO[str] | None = None) -> str:
    """Write a text faintly where that can be shown."""
    shown = is_terminal(stream or sys.stdout) and not os.environ.get("NO_COLOR")
    return f"\x1b[2m{text}\x1b[0m" if shown else text


def visible(text: str) -> str:
    """Remove what a terminal would obey: control characters other than line ends and tabs."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def terminal_width() -> int:
    """Return how many characters a line of the terminal holds."""
    return shutil.get_terminal_size().columns


def one_line(text: str, width: int) -> str:
    """Bring a text into one line of at most `width` characters, control characters removed."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def day(when: datetime) -> str:
    """Write a time as the day it was here."""
    return when.astimezone().date().isoformat()


def size(count: float) -> str:
    """Write a number of bytes for people."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("the loop returns at its last unit")


def duration_ms(seconds: float) -> str:
    """Write a short length of time for people."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
