"""OpenAI's Agents SDK: a `Session` kept in a memory, and notes from beyond its last items.

    >>> session = MemorySession("chat-1", memory, session_settings={"limit": 20})  # doctest: +SKIP
    >>> config = RunConfig(call_model_input_filter=session.add_notes)              # doctest: +SKIP
    >>> await Runner.run(agent, "Where does Ada live?", session=session, run_config=config)

Every item is a record of the session and comes back exactly. `add_notes` looks for what the latest
user's message is about, in the items that the limit cut off and in other sessions of the scope, and
adds it to the instructions of that one call; notes are never stored as items.

Needs the extra `openai_agents`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from agents.memory.session import SessionABC
from agents.memory.session_settings import (
    SessionSettings,
    coerce_session_settings,
    resolve_session_limit,
)

from lmort_memory.adapters.items import Items, item_of
from lmort_memory.adapters.notes import NotesOptions, notes_for
from lmort_memory.messages import read_messages
from lmort_memory.types import DEFAULT_SCOPE

if TYPE_CHECKING:
    from agents.items import TResponseInputItem
    from agents.run_config import CallModelData, ModelInputData

    from lmort_memory.memory import Memory

__all__ = ["MemorySession"]


class MemorySession(SessionABC):
    """A session whose items are turns of a memory. Thread-safe; the work is done in threads.

    Turns that a `Chat` stored under the same session are items too.

    Args:
        session_id: Name of the session.
        memory: Where the items are kept; the caller closes it.
        scope: Isolation boundary of what is stored and recalled.
        session_settings: The SDK's own; `limit` is how many items a run is given.
        notes: How many notes `add_notes` gives.
    """

    def __init__(
        self,
        session_id: str,
        memory: Memory,
        *,
        scope: str = DEFAULT_SCOPE,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        notes: NotesOptions | None = None,
    ) -> None:
        self.session_id = session_id
        self.memory = memory
        self.scope = scope
        self.session_settings = (
            SessionSettings()
            if session_settings is None
            else coerce_session_settings(session_settings)
        )
        self._notes = notes or NotesOptions()
        self._items = Items(memory, session_id, scope)

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the latest items in order; all of them without a limit here or in the settings."""
        wanted = resolve_session_limit(limit, self.session_settings)
        found = await asyncio.to_thread(self._items.latest, wanted)
        return [cast("TResponseInputItem", item_of(record)) for record in found]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Append items.

        Raises:
            ValueError: an item that is not JSON; nothing was stored then.
        """
        given = cast("list[Mapping[str, Any]]", items)
        await asyncio.to_thread(self._items.add, given)

    async def pop_item(self) -> TResponseInputItem | None:
        """Forget the latest item and return it; None where there is none."""
        found = await asyncio.to_thread(self._items.pop)
        return None if found is None else cast("TResponseInputItem", item_of(found))

    async def clear_session(self) -> None:
        """Forget every item."""
        await asyncio.to_thread(self._items.clear)

    async def add_notes(self, data: CallModelData[Any]) -> ModelInputData:
        """Add notes from memory to the instructions of one call: a `call_model_input_filter`."""
        given = data.model_data
        asked = _last_said(given.input)
        if asked is None:
            return given
        text = await asyncio.to_thread(self._notes_for, asked)
        if not text:
            return given
        instructions = "\n\n".join(part for part in (given.instructions, text) if part)
        return replace(given, instructions=instructions)

    def _notes_for(self, text: str) -> str:
        limit = resolve_session_limit(None, self.session_settings)
        shown = [record.id for record in self._items.latest(limit)]
        notes = notes_for(self.memory, text, scope=self.scope, exclude=shown, options=self._notes)
        return notes.text.strip()


def _last_said(items: Sequence[TResponseInputItem]) -> str | None:
    for item in reversed(items):
        if cast("Mapping[str, Any]", item).get("role") == "user":
            said = read_messages(cast("Mapping[str, Any]", item), strict=False)
            return said[-1].text if said else None
    return None
