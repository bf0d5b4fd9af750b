"""JSON with comments, edited in place: one member or item goes in or out, other bytes stay."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["append_item", "parse", "remove", "set_member"]

_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of an object, or an item of an array: where it begins, and where its value is."""

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
            return _insert(text, (start, end), members, (name, value))
        if depth == len(path) - 1:
            if parse(text[found.value : found.end]) == value:
                return text
            indent = _indent_at(text, found.start)
            return text[: found.value] + _dump(value, indent) + text[found.end :]
        start = found.value
    raise ValueError("a path must have at least one name")


def append_item(text: str, path: Sequence[str], value: object) -> str:
    """Return the text with a value at the end of the array at a path, which may be missing.

    Raises:
        ValueError: something on the path is not an object, or its end is not an array.
    """
    start = _skip(text, 0)
    for name in path:
        members = _members(text, start)[0] if text.strip() else []
        found = next((m for m in members if m.key == name), None)
        if found is None:
            return set_member(text, path, [value])
        start = found.value
    items, end = _items(text, start)
    return _insert(text, (start, end), items, (None, value))


def remove(text: str, path: Sequence[str | int]) -> str:
    """Return the text without what is at a path, or without what holds it if that becomes empty."""
    start, place = _skip(text, 0), None
    for depth, name in enumerate(path):
        if text[start : start + 1] == "[":
            found = _items(text, start)[0]
            index = name if isinstance(name, int) and name < len(found) else None
        else:
            found = _members(text, start)[0]
            index = next((i for i, m in enumerate(found) if m.key == name), None)
        if index is None:
            return text
        place, start = (found, index), found[index].value
        if depth == len(path) - 1 and len(found) == 1 and depth:
            return remove(text, path[:-1])
    return text if place is None else _cut(text, *place)


def _cut(text: str, members: Sequence[_Member], index: int) -> str:
    member = members[index]
    begin, end = member.start, member.end
    comma = _comma(text, end)
    if len(members) == 1:
        while text[begin - 1] in _SPACE:
            begin -= 1
        end = end if comma is None else comma + 1
        while text[end] in _SPACE and text[begin - 1] in "{[":
            end += 1
        return text[:begin] + text[end:]
    if comma is not None:
        end = comma + 1
        while end < len(text) and text[end] in " \t":
            end += 1
        while begin and text[begin - 1] in " \t":
            begin -= 1
        if text[end : end + 1] == "\n":
            end += 1
        elif text[begin - 1] == "\n" or index:
            begin = member.start
        return text[:begin] + text[end:]
    before = members[index - 1].end  # the last one: the comma goes, a comment behind it stays
    comma = _skip(text, before)
    return text[:comma] + text[comma + 1 : begin].rstrip(_SPACE) + text[end:]


def _insert(
    text: str,
    place: tuple[int, int],
    members: Sequence[_Member],
    member: tuple[str | None, object],
) -> str:
    """Insert a member, or an item if it has no name, behind the others; they stay as they are."""
    start, close = place[0], place[1] - 1
    name, value = member
    key = "" if name is None else f"{json.dumps(name, ensure_ascii=False)}: "
    if not members:
        outer = _indent_at(text, start)
        body = text[start + 1 : close].rstrip(_SPACE)
        line = f"\n{outer}  {key}{_dump(value, outer + '  ')}\n{outer}"
        return text[: start + 1] + body + line + text[close:]
    last = members[-1].end
    comma = _comma(text, last)
    if "\n" not in text[start:close]:
        at, before, after = (last, ", ", "") if comma is None else (comma + 1, " ", ",")
        written = json.dumps(value, ensure_ascii=False)
        return f"{text[:at]}{before}{key}{written}{after}{text[at:]}"
    at = _line_end(text, last if comma is None else comma + 1)
    indent = _indent_at(text, members[0].start)
    line = f"\n{indent}{key}{_dump(value, indent)}"
    if comma is not None:
        return f"{text[:at]}{line},{text[at:]}"
    return f"{text[:last]},{text[last:at]}{line}{text[at:]}"


def _line_end(text: str, i: int) -> int:
    """Return where the line ends if only a comment follows; else the same place."""
    end = i
    while text[end : end + 1] in (" ", "\t") or text.startswith(("//", "/*"), end):
        end = _comment_end(text, end) if text[end] == "/" else end + 1
    return end if text[end : end + 1] == "\n" and end > i else i


def _comma(text: str, end: int) -> int | None:
    """Return where the comma behind a member stands, after white space and comments, if any."""
    after = _skip(text, end)
    return after if text[after : after + 1] == "," else None


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
        i = _next(text, value_end, "}", "a brace")
    return members, i + 1


def _items(text: str, start: int) -> tuple[list[_Member], int]:
    """Return the items of the array that begins here, and its end."""
    if text[start : start + 1] != "[":
        raise ValueError(f"expected an array at character {start}")
    items: list[_Member] = []
    i = _skip(text, start + 1)
    while text[i : i + 1] != "]":
        end = _value_end(text, i)
        items.append(_Member("", i, i, end))
        i = _next(text, end, "]", "a bracket")
    return items, i + 1


def _next(text: str, end: int, close: str, named: str) -> int:
    """Return where the next member or item begins, or where the sign stands that closes them."""
    i = _skip(text, end)
    if text[i : i + 1] == ",":
        return _skip(text, i + 1)
    if text[i : i + 1] != close:
        raise ValueError(f"expected a comma or {named} at character {i}")
    return i


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
