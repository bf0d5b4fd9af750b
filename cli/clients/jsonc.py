"""JSON with comments, edited in place: set or remove one member, leave every other byte."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["parse", "remove_member", "set_member"]


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of an object: where its key begins, and where its value is."""

    key: str
    start: int
    value: int
    end: int


def parse(text: str) -> Any:  # noqa: ANN401 — any JSON
    """Parse a text; comments and trailing commas are allowed.

    Raises:
        ValueError: the text is not valid JSON with comments.
    """
    out: list[str] = []
    i = 0
    while i < len(text):
        if text[i] == '"':
            end = _string_end(text, i)
            out.append(text[i:end])
            i = end
        elif text.startswith(("//", "/*"), i):
            i = _comment_end(text, i)
        elif text[i] == "," and text[_skip(text, i + 1) : _skip(text, i + 1) + 1] in ("}", "]"):
            i += 1
        else:
            out.append(text[i])
            i += 1
    return json.loads("".join(out))


def set_member(text: str, path: Sequence[str], value: object) -> str:
    """Return the text with the member at a path set; missing objects on the way are created.

    Raises:
        ValueError: the text, or something on the path, is not an object.
    """
    if not text.strip():
        text = "{}\n"
    start = _skip(text, 0)
    for depth, name in enumerate(path):
        members, end = _members(text, start)
        found = next((m for m in members if m.key == name), None)
        if found is None:
            for outer in reversed(path[depth + 1 :]):
                value = {outer: value}
            return _insert(text, start, members, end, (name, value))
        if depth == len(path) - 1:
            indent = _indent_at(text, found.start)
            return text[: found.value] + _dump(value, indent) + text[found.end :]
        start = found.value
    raise ValueError("a path must have at least one name")


def remove_member(text: str, path: Sequence[str]) -> str:
    """Return the text without the member at a path, or its object if that becomes empty."""
    start, place = _skip(text, 0), None
    for depth, name in enumerate(path):
        members, _ = _members(text, start)
        index = next((i for i, m in enumerate(members) if m.key == name), None)
        if index is None:
            return text
        place, start = (members, index), members[index].value
        if depth == len(path) - 1 and len(members) == 1 and depth:
            return remove_member(text, path[:-1])
    return text if place is None else _cut(text, *place)


def _cut(text: str, members: Sequence[_Member], index: int) -> str:
    member = members[index]
    if index + 1 < len(members):
        comma = text.index(",", _skip(text, member.end))
        end = comma + 1
        while end < len(text) and text[end] in " \t":
            end += 1
        if text[end : end + 1] == "\n":
            end += 1
        begin = member.start
        while begin and text[begin - 1] in " \t":
            begin -= 1
        return text[:begin] + text[end:]
    begin = members[index - 1].end if index else member.start
    while not index and begin and text[begin - 1] in " \t\r\n":
        begin -= 1
    kept = ""
    if index:  # remove the comma before it, keep a comment after that comma
        comma = text.index(",", _skip(text, begin))
        kept = text[begin:comma] + text[comma + 1 : member.start].rstrip()
    end = member.end
    after = _skip(text, end)
    if text[after : after + 1] == ",":
        end = after + 1
    return text[:begin] + kept + text[end:]


def _insert(
    text: str, start: int, members: Sequence[_Member], end: int, member: tuple[str, object]
) -> str:
    name, value = member
    close = end - 1
    outer = _indent_at(text, start)
    indent = _indent_at(text, members[0].start) if members else outer + "  "
    written = f"{json.dumps(name, ensure_ascii=False)}: {_dump(value, indent)}"
    body = text[start + 1 : close].rstrip()
    if members:
        last = members[-1].end - (start + 1)
        if not _has_comma(text, members[-1].end):
            body = body[:last] + "," + body[last:]
    line = f"\n{indent}{written}\n{outer}"
    return text[: start + 1] + body + line + text[close:]


def _has_comma(text: str, end: int) -> bool:
    return text[_skip(text, end) : _skip(text, end) + 1] == ","


def _dump(value: object, indent: str) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2).replace("\n", f"\n{indent}")


def _indent_at(text: str, place: int) -> str:
    line = text[text.rfind("\n", 0, place) + 1 : place]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _members(text: str, start: int) -> tuple[list[_Member], int]:
    """Return the members of the object that begins here, and its end."""
    if text[start : start + 1] != "{":
        raise ValueError(f"expected an object at character {start}")
    members: list[_Member] = []
    i = _skip(text, start + 1)
    while text[i : i + 1] != "}":
        end = _string_end(text, i)
        key = json.loads(text[i:end])
        colon = _skip(text, end)
        if text[colon : colon + 1] != ":":
            raise ValueError(f"expected a colon at character {colon}")
        value = _skip(text, colon + 1)
        value_end = _value_end(text, value)
        members.append(_Member(key, i, value, value_end))
        i = _skip(text, value_end)
        if text[i : i + 1] == ",":
            i = _skip(text, i + 1)
        elif text[i : i + 1] != "}":
            raise ValueError(f"expected a comma or a brace at character {i}")
    return members, i + 1


def _value_end(text: str, i: int) -> int:
    if text[i : i + 1] == '"':
        return _string_end(text, i)
    if text[i : i + 1] not in ("{", "["):
        end = i
        while end < len(text) and text[end] not in ",}] \t\r\n/":
            end += 1
        if end == i:
            raise ValueError(f"expected a value at character {i}")
        return end
    depth = 0
    while i < len(text):
        if text[i] == '"':
            i = _string_end(text, i)
            continue
        if text.startswith(("//", "/*"), i):
            i = _comment_end(text, i)
            continue
        depth += (text[i] in "{[") - (text[i] in "}]")
        i += 1
        if not depth:
            return i
    raise ValueError("the text ends inside a value")


def _string_end(text: str, i: int) -> int:
    if text[i : i + 1] != '"':
        raise ValueError(f"expected a string at character {i}")
    end = i + 1
    while end < len(text) and text[end] != '"':
        end += 2 if text[end] == "\\" else 1
    if end >= len(text):
        raise ValueError("the text ends inside a string")
    return end + 1


def _comment_end(text: str, i: int) -> int:
    if text.startswith("//", i):
        end = text.find("\n", i)
        return len(text) if end < 0 else end
    end = text.find("*/", i + 2)
    if end < 0:
        raise ValueError("the text ends inside a comment")
    return end + 2


def _skip(text: str, i: int) -> int:
    """Return where the next token begins, after white space and comments."""
    while i < len(text):
        if text[i] in " \t\r\n\ufeff":
            i += 1
        elif text.startswith(("//", "/*"), i):
            i = _comment_end(text, i)
        else:
            break
    return i
