"""Look into JSON of others, where any field may be missing or of another type."""

from __future__ import annotations

from typing import TypeAlias

from lmort_memory.types import JsonValue

__all__ = ["Object", "items_of", "object_of", "text_of"]

Object: TypeAlias = "dict[str, JsonValue]"


def object_of(value: JsonValue) -> Object:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text_of(value: Object, key: str) -> str:
    """Return the string at `key`, "" if there is none."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def items_of(value: Object, key: str) -> list[JsonValue]:
    """Return the list at `key`, an empty one if there is none."""
    found = value.get(key)
    return found if isinstance(found, list) else []
