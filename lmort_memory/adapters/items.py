"""A session of items that come back exactly as they went in, and are found by what they say.

Frameworks keep more of a conversation than words: calls of tools, reasoning, names. Each item is a
turn of the session: its words are the text, itself, whole, is in the metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmort_memory.messages import read_messages
from lmort_memory.store.values import Filter
from lmort_memory.types import DEFAULT_SCOPE, Turn

if TYPE_CHECKING:
    from lmort_memory.memory import Memory
    from lmort_memory.types import Record

__all__ = ["Items", "item_of"]

ITEM = "item"
TOOL_CALL = "tool call"
UNSAID = "not said"  # reasoning, and items of kinds that hold no text


@dataclass(frozen=True, slots=True)
class Items:
    """The items of one session. Turns that a `Chat` stored under its name are items too."""

    memory: Memory
    session: str
    scope: str = DEFAULT_SCOPE

    def add(
        self, items: Sequence[Mapping[str, Any]], *, said: Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        """Append items.

        Args:
            items: Anything of JSON.
            said: Each of them as a message of a known dialect, where it is none itself.

        Raises:
            ValueError: an item that is not JSON; nothing was stored then.
        """
        turns = [
            _turn_of(item, message) for item, message in zip(items, said or items, strict=True)
        ]
        self.memory.add(turns, scope=self.scope, session=self.session)

    def latest(self, limit: int | None = None) -> list[Record]:
        """Return the latest items in order; None is all of them."""
        chosen = Filter(scope=self.scope, session=self.session)
        if limit is None:
            return list(self.memory.store.records(chosen))
        return self.memory.store.latest(chosen, limit=limit) if limit > 0 else []

    def pop(self) -> Record | None:
        """Forget the latest item and return it; None where there is none."""
        found = self.latest(1)
        if not found:
            return None
        self.memory.forget(found[-1].id)
        return found[-1]

    def clear(self) -> None:
        """Forget every item."""
        self.memory.forget(scope=self.scope, session=self.session)


def item_of(record: Record) -> dict[str, Any]:
    """Return an item as it was stored; what a `Chat` said is a message of role and content."""
    item = record.metadata.get(ITEM)
    return item if isinstance(item, dict) else {"role": record.role, "content": record.text}


def _turn_of(item: Mapping[str, Any], message: Mapping[str, Any]) -> Turn:
    metadata = {ITEM: dict(item)}
    try:
        json.dumps(metadata, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"a session keeps items of JSON: {error}") from error
    try:
        said = read_messages(message, strict=False)
    except ValueError:  # of a kind that its owner knows and we do not: kept, and not searched
        said = []
    for one in said:
        if one.text.strip():
            return Turn(one.text, role=one.role, metadata=metadata)
        if one.tool_calls:
            call = one.tool_calls[0]
            return Turn(f"{call.name}({call.arguments})", role=TOOL_CALL, metadata=metadata)
    return Turn(f"[{item.get('type', 'empty')}]", role=UNSAID, metadata=metadata)
