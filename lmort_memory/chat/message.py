"""A message in the model's context, and several of them as text beside a saved context."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Message", "dump_messages", "load_messages"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message in the window.

    Attributes:
        role: "system", "user", "assistant" or "tool".
        tokens: Its tokens.
        notes: Notes from memory that follow it.
        records: The records that hold its text.
        quoted: Those of them of which it shows a part.
        noted: The records that the notes show.
        more: Further fields for the template, such as `tool_calls` in OpenAI's format.
    """

    role: str
    tokens: tuple[int, ...]
    notes: tuple[int, ...] = ()
    records: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()
    quoted: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[str, ...]:
        """The records whose text the model sees in this message, or a part of it."""
        return self.records + self.noted

    @property
    def shown_whole(self) -> frozenset[str]:
        """The records whose whole text the model sees in this message."""
        return frozenset(self.records).difference(self.quoted).union(self.noted)


def dump_messages(messages: Sequence[Message], *, label: Sequence[str]) -> str:
    """Return messages as JSON, with a label that says what they are the state of."""
    return json.dumps({"label": [*label], "messages": [asdict(one) for one in messages]})


def load_messages(written: str, *, label: Sequence[str]) -> list[Message] | None:
    """Return the messages that `dump_messages` wrote; None if their label is another one."""
    saved = json.loads(written)
    if saved.get("label") != [*label]:
        return None
    return [_message(fields) for fields in saved["messages"]]


def _message(fields: Mapping[str, Any]) -> Message:
    return Message(
        role=str(fields["role"]),
        tokens=tuple(fields["tokens"]),
        notes=tuple(fields["notes"]),
        records=tuple(fields["records"]),
        noted=tuple(fields.get("noted", ())),
        quoted=tuple(fields.get("quoted", ())),
        more=fields.get("more", {}),
    )
