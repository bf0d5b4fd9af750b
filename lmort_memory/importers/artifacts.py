"""Artifacts of Claude: what it wrote for the user beside the conversation, in the last version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from lmort_memory.importers.format import LeftOut
from lmort_memory.importers.formats.text import note_turns
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.types import Source, Turn

__all__ = ["artifact_turns", "is_artifact"]

_CODE = ("application/vnd.ant.code", "application/vnd.ant.react", "text/html", "image/svg+xml")


def is_artifact(block: Object) -> bool:
    """Whether a block makes or changes an artifact."""
    return text_of(block, "type") == "tool_use" and text_of(block, "name") == "artifacts"


def artifact_turns(
    messages: Iterable[Object], *, uri: str, when: datetime | None, left_out: LeftOut
) -> Iterator[Turn]:
    """Yield the texts among a conversation's artifacts; programs and drawings are counted."""
    titles: dict[str, str] = {}
    texts: dict[str, str] = {}
    for message in messages:
        for entry in items_of(message, "content"):
            block = object_of(entry)
            if not is_artifact(block):
                continue
            call = object_of(block.get("input"))
            name = text_of(call, "id")
            if text_of(call, "type") in _CODE:
                left_out["program or drawing of an artifact"] += 1
                texts.pop(name, None)
            elif text_of(call, "command") == "update" and name in texts:
                new = text_of(call, "new_str")
                texts[name] = texts[name].replace(text_of(call, "old_str"), new, 1)
            elif content := text_of(call, "content"):
                texts[name] = content
                titles[name] = text_of(call, "title") or titles.get(name, "") or "artifact"
    for name, text in texts.items():
        for turn in note_turns(text, uri=uri, title=titles[name], form="claude", created_at=when):
            yield replace(turn, session=uri, source=Source(uri))
