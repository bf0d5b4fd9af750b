"""What the commands print: results on stdout, everything else on stderr.

Colour is used on terminals only, and never with `NO_COLOR` set (https://no-color.org).
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from lmort_memory.text import valid
from lmort_memory.times import day_of
from lmort_memory.types import JsonValue

__all__ = [
    "as_json",
    "day",
    "duration_ms",
    "is_terminal",
    "json_text",
    "note",
    "note_list",
    "one_line",
    "print_json",
    "say",
    "say_text",
    "size",
    "styled",
    "terminal_width",
    "visible",
]

_LISTED = 10


def say(text: str = "", *, faint: bool = False, flush: bool = False) -> None:
    """Print a line of output, faint if it is secondary."""
    say_text(_joined(text), faint=faint, flush=flush)


def say_text(text: str, *, faint: bool = False, flush: bool = False, end: str = "\n") -> None:
    """Print a text that may have several lines."""
    print(styled(text, sys.stdout) if faint else visible(text), flush=flush, end=end)


def note(text: str, *, faint: bool = False) -> None:
    """Print a line about the work: a warning, a summary, a hint."""
    line = _joined(text)
    print(styled(line, sys.stderr) if faint else visible(line), file=sys.stderr, flush=True)


def _joined(text: str) -> str:
    """Make one line of a text: a name with a line end in it would write lines of its own."""
    return text.replace("\n", " ")


def note_list(lines: Sequence[str], *, more: str, everything: bool = False) -> None:
    """Print indented lines about the work: ten, and the option `more` that lists all of them."""
    shown = lines if everything else lines[:_LISTED]
    for line in shown:
        note(f"  {line}")
    if len(lines) > len(shown):
        note(f"  and {len(lines) - len(shown)} more; {more} lists them all")


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    print(json_text(value, indent=2))


def json_text(value: object, *, indent: int | None = None) -> str:
    """Write a value as JSON. Terminal control characters are escaped, so nothing is lost."""
    ascii_only = (sys.stdout.encoding or "utf-8").lower() not in ("utf-8", "utf8")
    text = json.dumps(as_json(value), ensure_ascii=ascii_only, indent=indent)
    return "".join(c if _is_harmless(c) else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def as_json(value: object) -> JsonValue:
    """Convert our values to JSON: dataclasses to objects, times to ISO 8601 in UTC."""
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
    raise TypeError(f"cannot write a {type(value).__name__} as JSON")


def is_terminal(stream: IO[str]) -> bool:
    """Whether the stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def styled(text: str, stream: IO[str]) -> str:
    """Write a text faintly if the terminal can show that."""
    shown = is_terminal(stream) and not os.environ.get("NO_COLOR")
    return f"\x1b[2m{visible(text)}\x1b[0m" if shown else visible(text)


def visible(text: str) -> str:
    """Remove the control characters that a terminal obeys, except line ends and tabs.

    Each line that this program prints goes through here once, so that no stored text, file name or
    id can move the cursor, set a title, or reverse the order of what is read. A byte of a name that
    is no UTF-8 is shown as U+FFFD.
    """
    return _without_towers("".join(c for c in valid(text) if _is_harmless(c)))


_MOST_MARKS = 8  # on one letter: a real one bears four or five, a tower covers other lines


def _without_towers(text: str) -> str:
    """Drop the marks that stack too high on one letter, of every script."""
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)


_JOINERS = "\u200c\u200d"  # joiners of multi-part emoji and of Indic letters


def _is_harmless(character: str) -> bool:
    return (
        character.isprintable()
        or character in "\n\t"
        or character in _JOINERS
        or unicodedata.category(character) == "Zs"  # spaces of other widths
    )


def terminal_width() -> int:
    """Return the terminal's width in characters."""
    return shutil.get_terminal_size().columns


def one_line(text: str, width: int) -> str:
    """Fit a text into one line of at most `width` columns, without control characters.

    A Chinese character takes two columns, a joined emoji as many as the terminal gives it.
    """
    line = " ".join("".join(c if _is_harmless(c) else " " for c in text).split())
    line = _without_towers(line)
    if len(line) * 2 <= width:
        return line
    from rich.cells import cell_len, set_cell_size

    if cell_len(line) <= width:
        return line
    return set_cell_size(line, width - 1).rstrip() + "…"


def day(when: datetime) -> str:
    """Format a time as the local day; a day without a time is that day in every zone."""
    return day_of(when).isoformat()


def size(count: float) -> str:
    """Format a number of bytes."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("the loop returns at its last unit")


def duration_ms(seconds: float) -> str:
    """Format a short duration."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
