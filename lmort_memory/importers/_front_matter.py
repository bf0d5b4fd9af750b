"""The block between two lines of dashes at the top of a Markdown note.

A strict, small part of YAML: scalars, dates, and lists of scalars, inline or one to a line. What
it does not understand (nested mappings, block scalars) is given back as text, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lmort_memory.types import JsonValue

__all__ = ["FrontMatter", "parse_front_matter"]

_BLOCK = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_ITEM = re.compile(r"[ \t]*-[ \t]+(.*)")
_INLINE_ITEM = re.compile(r"\s*(\"[^\"]*\"|'[^']*'|[^\s,\"'][^,]*)\s*(?:,|\Z)")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,17}\.[0-9]{1,17}")
_WORDS: dict[str, JsonValue] = {"true": True, "false": False, "null": None, "~": None, "": None}
_NOT_IN_A_KEY = frozenset("#[]{}\"'")
_NOT_FIRST = frozenset("|>{[&*!%@`\"'-?,]}")  # YAML's indicators: what follows is no plain scalar


@dataclass(slots=True)
class FrontMatter:
    """What a note's front matter says.

    Attributes:
        values: Its keys, in order. Dates stay the strings that they are in the file.
        unread: Its lines that are outside the small part of YAML, as they are in the file.
        end: Where the note's body begins.
    """

    values: dict[str, JsonValue] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    end: int = 0


def parse_front_matter(text: str) -> FrontMatter:
    """Read the front matter of a note; one without any gives an empty result."""
    block = _BLOCK.match(text)
    if block is None:
        return FrontMatter()
    found = FrontMatter(end=block.end())
    for entry in _entries(block[1].splitlines()):
        try:
            key, value = _parse_entry(entry)
        except ValueError:
            found.unread.extend(entry)
        else:
            found.values[key] = value
    return found


def _entries(lines: list[str]) -> list[list[str]]:
    """Group each key's line with the indented lines and list items below it."""
    entries: list[list[str]] = []
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if entries and (line[0] in " \t" or _ITEM.match(line)):
            entries[-1].append(line)
        else:
            entries.append([line])
    return entries


def _parse_entry(entry: list[str]) -> tuple[str, JsonValue]:
    key, colon, rest = entry[0].partition(":")
    key = key.strip()
    if not colon or not key or _NOT_IN_A_KEY & set(key) or (rest and rest[0] not in " \t"):
        raise ValueError(f"not a key: {entry[0]!r}")
    if len(entry) == 1:
        return key, _value(rest.strip())
    items = [_ITEM.fullmatch(line) for line in entry[1:]]
    if rest.strip() or not all(items):
        raise ValueError(f"neither a scalar nor a list of scalars: {entry[1]!r}")
    return key, [_scalar(item[1].strip()) for item in items if item]


def _value(source: str) -> JsonValue:
    if source.startswith("[") and source.endswith("]"):
        return [_scalar(item) for item in _inline_items(source[1:-1].strip())]
    return _scalar(source)


def _inline_items(source: str) -> list[str]:
    items, at = [], 0
    while at < len(source):
        item = _INLINE_ITEM.match(source, at)
        if item is None:
            raise ValueError(f"not a list of scalars: {source!r}")
        items.append(item[1].strip())
        at = item.end()
    return items


def _scalar(source: str) -> JsonValue:
    if source[:1] in ('"', "'"):
        return _quoted(source)
    if not source.startswith("#"):
        source = source.partition(" #")[0].rstrip()
    if source.lower() in _WORDS:
        return _WORDS[source.lower()]
    if _INTEGER.fullmatch(source):
        return int(source)
    if _DECIMAL.fullmatch(source):
        return float(source)
    if source[0] in _NOT_FIRST or ": " in source or source.endswith(":"):
        raise ValueError(f"not a plain scalar: {source!r}")
    return source


def _quoted(source: str) -> str:
    inner = source[1:-1]
    if len(source) < 2 or source[-1] != source[0] or source[0] in inner or "\\" in inner:
        raise ValueError(f"a quoted scalar with escapes, or an open one: {source!r}")
    return inner
