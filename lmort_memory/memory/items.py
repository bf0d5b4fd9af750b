"""What callers pass to `Memory.add` and `Memory.update`, converted to turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TypeAlias

from lmort_memory.messages import ChatMessage, read_messages
from lmort_memory.thoughts import as_said
from lmort_memory.types import JsonValue, Record, Turn

__all__ = ["Added", "Item", "changed", "nothing_in", "to_turns"]

Item: TypeAlias = "str | Mapping[str, Any] | Turn"
"""A text, a Turn, or a message: `role` and `content` and any other field of Turn, in the dialects
of OpenAI, Anthropic and Gemini too (`lmort_memory.messages`)."""

FIELDS = frozenset(field.name for field in fields(Turn))
CONTENT = frozenset({"content", "parts", "tool_calls", "function_call", "type"})
OURS = FIELDS - {"text", "role"}  # additional fields allowed in a message of another format


class Added(list[Record]):
    """The records of a list of items.

    Attributes:
        left_out: Parts of the messages without text to remember, by kind: "tool_call", "image_url".
    """

    def __init__(self, records: Iterable[Record], left_out: Mapping[str, int]) -> None:
        super().__init__(records)
        self.left_out = left_out


def to_turns(
    offered: Item,
    left_out: Counter[str],
    *,
    scope: str | None = None,
    session: str | None = None,
    metadata: Mapping[str, JsonValue] | None = None,
    as_it_is: bool = False,
) -> list[Turn]:
    """Return the turns of an item; arguments override the item's own fields.

    Usually there is one. A message that only calls tools has none, nor has a reply that was cut
    while the model still reasoned; a message with the results of several tools has several.

    Args:
        offered: A text, a message or a turn.
        left_out: Counts the parts of a message that are not text.
        scope: Their scope.
        session: Their session.
        metadata: Their metadata.
        as_it_is: Whether a turn's text is known to hold no reasoning, whatever it looks like.

    Raises:
        TypeError: the item is none of the three.
        ValueError: a message in an unknown format, or without text.
    """
    if isinstance(offered, Turn):
        turns = [offered] if as_it_is else _said(offered, left_out)
    elif isinstance(offered, str):
        turns = [Turn(offered)]
    elif isinstance(offered, Mapping):
        turns = _from_message(offered, left_out)
    else:
        raise TypeError(f"add takes a str, a message or a Turn; got {type(offered).__name__}")
    given = {"scope": scope, "session": session, "metadata": metadata}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return [replace(turn, **changes) for turn in turns] if changes else turns


def changed(
    old: Record,
    *,
    text: str | None,
    metadata: Mapping[str, JsonValue] | None,
    expires_at: datetime | None,
) -> Turn:
    """Return a record as the turn that replaces it; arguments that are None leave it as it is."""
    return Turn(
        text=old.text if text is None else text,
        role=old.role,
        scope=old.scope,
        session=old.session,
        # A note without time and place is stored once, whenever it is added: see `origin_of`.
        created_at=old.created_at if old.session or old.source else None,
        metadata=old.metadata if metadata is None else metadata,
        source=old.source,
        expires_at=old.expires_at if expires_at is None else expires_at,
    )


def _said(turn: Turn, left_out: Counter[str]) -> list[Turn]:
    said = as_said(turn, left_out)
    return [] if said is None else [said]


def _from_message(message: Mapping[str, Any], left_out: Counter[str]) -> list[Turn]:
    values = {"text" if key == "content" else key: value for key, value in message.items()}
    if isinstance(values.get("text"), str) and values.keys() <= FIELDS:
        return _said(Turn(**_with_times(values)), left_out)
    if not {"role", "type"} & message.keys() or not CONTENT & message.keys():
        raise ValueError(
            f"a message has role and content, optionally {_listed(FIELDS)}; got {_listed(message)}"
        )
    own = _with_times({key: value for key, value in message.items() if key in OURS})
    found: list[Turn] = []
    for said in read_messages(message, left_out=left_out):
        left_out["tool_call"] += len(said.tool_calls)
        if said.text.strip():
            found.append(_turn(said, own))
        elif not said.tool_calls:
            left_out["empty message"] += 1
    return found


def _turn(said: ChatMessage, own: Mapping[str, Any]) -> Turn:
    about: dict[str, JsonValue] = {**own.get("metadata", {})}
    if said.name is not None:
        about["name"] = said.name
    if said.tool_call_id is not None:
        about["tool_call_id"] = said.tool_call_id
    return Turn(said.text, role=said.role, **{**own, "metadata": about})


def _with_times(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value)
        if name in ("created_at", "expires_at") and isinstance(value, str)
        else value
        for name, value in values.items()
    }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, names)))


def nothing_in(left_out: Mapping[str, int]) -> ValueError:
    """Return the error for a single item that holds nothing to remember."""
    held = ", ".join(f"{n} {kind}" for kind, n in left_out.items() if n)
    return ValueError(f"nothing to remember: the message holds no text, only {held or 'nothing'}")
