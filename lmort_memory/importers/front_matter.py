"""What stands at the top of a Markdown note: YAML between dashes, or TOML between plus signs.

YAML is read by PyYAML's safe loader as Obsidian reads it, by the core schema of YAML 1.2: dates
stay the strings that they are in the file, `yes` is a word, 12:30 no number. Of a key that occurs
twice the last value counts. Where a block is no YAML, its entries are read one by one, and what
cannot be read is kept as text.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from lmort_memory.types import JsonValue

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FrontMatter", "parse_front_matter"]

_YAML = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_TOML = re.compile(r"\+\+\+[ \t]*\n(.*?)^\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_BLANK = re.compile(r"(?:[ \t]*\n)*")
_SINGLE_LINE = re.compile(r"([^\s#\-\[\]{}\"'][^:\n]*?)[ \t]*:[ \t]+(\S.*)")
_OPEN_LIST = re.compile(r"\[([^\[\]{}]*)")
_MAX_CHARS = 256 * 1024  # of a block; more is not front matter
_MAX_VALUES = 10_000  # aliases of YAML can make billions of a few lines
_MAX_LEVELS = 20
_MAX_BRACKETS = 100

# The core schema of YAML 1.2. PyYAML's own resolvers are of YAML 1.1.
_SCALARS = (
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("tag:yaml.org,2002:int", r"^[-+]?(?:0|[1-9][0-9]{0,17})$", list("-+0123456789")),
    ("tag:yaml.org,2002:float", r"^[-+]?[0-9]{1,17}\.[0-9]{1,17}(?:[eE][-+]?[0-9]{1,2})?$",
     list("-+0123456789")),
)  # fmt: skip
_NUMBERS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float"))


@dataclass(slots=True)
class FrontMatter:
    """What a note's front matter says.

    Attributes:
        values: Its keys, in order. Dates stay the strings that they are in the file.
        unread: Its lines that could not be read, as they are in the file.
        end: Where the note's body begins.
    """

    values: dict[str, JsonValue] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    end: int = 0


def parse_front_matter(text: str) -> FrontMatter:
    """Read the front matter of a note; one without any gives an empty result.

    A second block right below the first, as some programs write one, is read too.
    """
    found = FrontMatter()
    if block := _TOML.match(text):
        try:
            found.values = _object(_toml(block[1]))
        except ValueError:
            return found
        found.end = block.end()
    elif block := _YAML.match(text):
        _read_block(block[1], found)
        if found.unread and not found.values:  # a text between two rules
            return FrontMatter()
        found.end = block.end()
        blank = _BLANK.match(text, found.end)
        second = _YAML.match(text, blank.end() if blank else found.end)
        if second and isinstance(value := _load_or_none(second[1]), dict) and value:
            found.values = {**_object(value), **found.values}
            found.end = second.end()
    return found


def _read_block(source: str, found: FrontMatter) -> None:
    value = _load_or_none(source)
    if value is None and "\t" in source:  # of which YAML makes an error, and people an indent
        value = _load_or_none(source.expandtabs(2))
    if isinstance(value, dict):
        try:
            found.values = _object(value)
            return
        except ValueError:  # too much of it
            value = None
    if value is None and source.strip():
        for entry in _entries(source):
            _read_entry(entry, found)
    elif value is not None:
        found.unread.extend(source.splitlines())


def _read_entry(entry: str, found: FrontMatter) -> None:
    try:
        found.values.update(_object(_load(entry)))
    except ValueError:
        if line := _SINGLE_LINE.fullmatch(entry.strip("\n")):
            found.values[line[1]] = _line_value(line[2].strip())
        else:
            found.unread.extend(entry.splitlines())


def _line_value(text: str) -> JsonValue:
    """Return what stands behind a key where YAML gave up: "Part 2: the barn", or "[a, b"."""
    if unclosed := _OPEN_LIST.fullmatch(text):
        parts = [part.strip(" \t'\"") for part in unclosed[1].split(",")]
        return [part for part in parts if part]
    return text


def _entries(source: str) -> Iterator[str]:
    """Group each key's line with the lines below it that are indented or items of a list."""
    entry: list[str] = []
    for line in source.splitlines():
        if entry and line.strip() and line[0] not in " \t-#]}":
            yield "\n".join(entry) + "\n"
            entry = []
        if line.strip() or entry:
            entry.append(line)
    if entry:
        yield "\n".join(entry) + "\n"


def _load_or_none(source: str) -> object:
    try:
        return _load(source)
    except ValueError:
        return None


def _load(source: str) -> object:
    """Load YAML safely.

    Raises:
        ValueError: it is none, or too large.
    """
    if len(source) > _MAX_CHARS:
        raise ValueError(f"it has {len(source)} characters, front matter may have {_MAX_CHARS}")
    if _depth(source) > _MAX_BRACKETS:  # PyYAML looks for keys in each of them, again and again
        raise ValueError(f"its brackets nest deeper than {_MAX_BRACKETS}")
    try:
        return yaml.load(source, Loader=_loader())
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"no YAML: {error}") from error


def _depth(source: str) -> int:
    depth = deepest = 0
    for sign in re.findall(r"[\[\]{}]", source):
        depth = depth + 1 if sign in "[{" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    return deepest


@cache
def _loader() -> Any:  # noqa: ANN401  PyYAML publishes no types
    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: ANN401
            """Read keys as the text that they are: to Python, 1 and true are one key."""
            self.flatten_mapping(node)
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag in _NUMBERS:
                    key.tag = "tag:yaml.org,2002:str"
            return super().construct_mapping(node, deep)

    for tag, pattern, first in _SCALARS:
        Loader.add_implicit_resolver(tag, re.compile(pattern), first)
    Loader.add_multi_constructor("!", _untagged)
    return Loader


def _untagged(loader: Any, _: str, node: Any) -> object:  # noqa: ANN401  of PyYAML
    """Read a value with a tag of another program as if it had none."""
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


def _toml(source: str) -> object:
    try:
        return tomllib.loads(source)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no TOML: {error}") from error


def _object(value: object) -> dict[str, JsonValue]:
    """Return a mapping as JSON.

    Raises:
        ValueError: it is not a mapping, or holds too much.
    """
    if not isinstance(value, Mapping):
        raise ValueError("no mapping")
    left = [_MAX_VALUES]
    return {_word(key): _json(item, left, _MAX_LEVELS) for key, item in value.items()}


def _json(value: object, left: list[int], levels: int) -> JsonValue:
    left[0] -= 1
    if left[0] < 0 or levels < 0:
        raise ValueError(f"front matter holds more than {_MAX_VALUES} values, or is too deep")
    if link := _bare_link(value):
        return link
    if isinstance(value, Mapping):
        return {_word(key): _json(item, left, levels - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_json(item, left, levels - 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return _word(value)


def _bare_link(value: object) -> str:
    """Return "[[Note]]" where it was written without quotes, which YAML takes for two lists."""
    match value:
        case [[str(target)]] if isinstance(value, list):
            return f"[[{target}]]"
    return ""


def _word(value: object) -> str:
    """Return a key or another scalar as text."""
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return value if isinstance(value, str) else str(value)
