"""What callers offer to `Memory.add`, as turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TypeAlias

from lmort_memory.backbone.thinking import without_thoughts
from lmort_memory.types import JsonValue, Turn

__all__ = ["Item", "to_turn"]

Item: TypeAlias = "str | Mapping[str, Any] | Turn"
"""A text, a message (`role` and `content`, and any other field of Turn), or a Turn."""

FIELDS = frozenset(field.name for field in fields(Turn))


def to_turn(
    offered: Item,
    *,
    scope: str | None = None,
    session: str | None = None,
    metadata: Mapping[str, JsonValue] | None = None,
) -> Turn:
    """Return a turn; what is named here takes the place of what the offered thing says.

    Raises:
        TypeError: it is none of the three.
        ValueError: a message has unknown fields or no content.
    """
    if isinstance(offered, Turn):
        turn = offered
    elif isinstance(offered, str):
        turn = Turn(offered)
    elif isinstance(offered, Mapping):
        turn = _from_message(offered)
    else:
        raise TypeError(f"add takes a str, a message or a Turn; found {type(offered).__name__}")
    given = {"scope": scope, "session": session, "metadata": metadata}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(turn, **changes) if changes else turn


def _from_message(message: Mapping[str, Any]) -> Turn:
    values = {"text" if key == "content" else key: value for key, value in message.items()}
    unknown = values.keys() - FIELDS
    if unknown or not isinstance(values.get("text"), str):
        raise ValueError(
            f"a message has role and content (a string), and maybe {_listed(FIELDS)}; "
            f"found {_listed(message)}"
        )
    for name in ("created_at", "expires_at"):
        if isinstance(values.get(name), str):
            values[name] = datetime.fromisoformat(values[name])
    if values.get("role") == "assistant":
        values["text"] = without_thoughts(values["text"])
    return Turn(**values)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, names)))
