"""Hermes Agent: a `MemoryProvider` that stores every turn and brings notes before the next one.

    pip install 'lmort-memory[hermes,smollm2]'      # into Hermes' own environment
    hermes config set memory.provider lmort

Hermes finds it by the entry point `hermes_agent.memory_providers`. Releases up to 0.19 look only
into a folder; `python -m lmort_memory.adapters.hermes` puts two small files there.

The database is `$LMORT_DB` or the platform's: the same memory that `lmort-mem` has. Users of a
gateway are kept apart, each in a scope of their own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.memory_provider import MemoryProvider

from lmort_memory.adapters.notes import notes_for
from lmort_memory.adapters.toolbox import INSTRUCTIONS, SCHEMAS, Tools
from lmort_memory.errors import BackboneError
from lmort_memory.paths import default_db, expanded, make_private_dir, replacing
from lmort_memory.scopes import to_scope
from lmort_memory.store.values import Filter
from lmort_memory.types import DEFAULT_SCOPE, Source, Turn

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

__all__ = ["LmortProvider", "install", "register"]

_SHOWN = 40  # latest turns of a session that its context is taken to show still
_SHIM = "from lmort_memory.adapters.hermes import register  # register_memory_provider\n"
_MANIFEST = """\
name: lmort
version: 0.1.0
description: "lmort-memory: one local GGUF model finds what was said before; no server, no key."
"""


class LmortProvider(MemoryProvider):
    """Hermes' memory, kept by lmort-memory. Nothing leaves the computer."""

    def __init__(self) -> None:
        self._memory: Memory | None = None
        self._session = "hermes"
        self._scope = DEFAULT_SCOPE
        self._writes = True

    @property
    def name(self) -> str:
        """What `memory.provider` names."""
        return "lmort"

    def is_available(self) -> bool:
        """Return True: it needs neither a key nor a network."""
        return True

    def initialize(self, session_id: str, **about: Any) -> None:  # noqa: ANN401 - Hermes' signature
        """Open the memory with its model; without a usable model it recalls by words.

        Raises:
            StoreError: the database cannot be opened.
        """
        from lmort_memory.memory import Memory

        self._session = session_id or self._session
        self._writes = about.get("agent_context", "primary") == "primary"
        user = about.get("user_id")
        self._scope = to_scope(("hermes", str(user))) if user else DEFAULT_SCOPE
        if self._memory is None:
            try:
                self._memory = Memory.open()
            except BackboneError:
                self._memory = Memory.open(with_model=False)

    def system_prompt_block(self) -> str:
        """Tell the model what it has."""
        return INSTRUCTIONS

    def prefetch(self, query: str, *, session_id: str = "") -> str:
        """Return dated notes that concern a turn, found now, and nothing for small talk."""
        if self._memory is None:
            return ""
        chosen = Filter(scope=self._scope, session=session_id or self._session)
        shown = [record.id for record in self._memory.store.latest(chosen, limit=_SHOWN)]
        return notes_for(self._memory, query, scope=self._scope, exclude=shown).text.strip()

    def sync_turn(
        self,
        user_content: str,
        assistant_content: str,
        *,
        session_id: str = "",
        messages: list[dict[str, Any]] | None = None,
    ) -> None:
        """Store what was said; Hermes calls this from a thread of its own."""
        said = (("user", user_content), ("assistant", assistant_content))
        turns = [
            Turn(text, role=role, scope=self._scope, session=session_id or self._session)
            for role, text in said
            if isinstance(text, str) and text.strip()
        ]
        if self._memory is not None and self._writes and turns:
            self._memory.add(turns)

    def on_session_switch(self, new_session_id: str, **_: Any) -> None:  # noqa: ANN401
        """Go on under another session."""
        self._session = new_session_id or self._session

    def on_memory_write(
        self,
        action: str,
        target: str,
        content: str,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Mirror what Hermes' own memory tool keeps or drops."""
        if self._memory is None or not self._writes or not content.strip():
            return
        source = f"hermes:{target}"
        if action == "remove":
            chosen = Filter(scope=self._scope, source=source)
            gone = [r.id for r in self._memory.store.records(chosen) if content in r.text]
            if gone:
                self._memory.forget(gone)
        else:
            turn = Turn(content, role="note", scope=self._scope, source=Source(source))
            self._memory.add(turn)

    def get_tool_schemas(self) -> list[dict[str, Any]]:
        """Return the tools, in OpenAI's form."""
        return [dict(schema) for schema in SCHEMAS]

    def handle_tool_call(self, tool_name: str, args: dict[str, Any], **_: Any) -> str:  # noqa: ANN401
        """Call a tool; what it returns, or what was wrong, is JSON."""
        if self._memory is None:
            return json.dumps({"error": "the memory is not open"})
        try:
            found = Tools(self._memory, self._scope).call(tool_name, args)
        except ValueError as error:
            return json.dumps({"error": str(error)})
        return json.dumps(found, ensure_ascii=False)

    def get_config_schema(self) -> list[dict[str, Any]]:
        """Return what `hermes memory setup` may ask: all of it has a default."""
        return [
            {
                "key": "db",
                "description": "Database file (empty: the one lmort-mem uses)",
                "env_var": "LMORT_DB",
                "required": False,
            },
            {
                "key": "model",
                "description": "GGUF model that remembers (empty: the packaged one)",
                "env_var": "LMORT_MODEL",
                "required": False,
            },
        ]

    def backup_paths(self) -> list[str]:
        """Return the database, for `hermes backup`."""
        place = default_db()
        return [str(place)] if isinstance(place, Path) else []

    def shutdown(self) -> None:
        """Close the memory."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None


def register(ctx: Any) -> None:  # noqa: ANN401 - Hermes' plugin context
    """Give Hermes the provider."""
    ctx.register_memory_provider(LmortProvider())


def install(home: str | Path | None = None) -> Path:
    """Write the folder that releases without entry points look into; returns it.

    Args:
        home: Hermes' home; None takes `$HERMES_HOME` or ~/.hermes.
    """
    base = expanded(home or os.environ.get("HERMES_HOME") or Path.home() / ".hermes")
    folder = make_private_dir(base / "plugins" / "lmort")
    for name, text in (("__init__.py", _SHIM), ("plugin.yaml", _MANIFEST)):
        with replacing(folder / name) as fresh:  # private: Hermes runs it
            fresh.write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    place = install(sys.argv[1] if len(sys.argv) > 1 else None)
    print(f"Hermes finds lmort in {place}; now: hermes config set memory.provider lmort")  # noqa: T201
