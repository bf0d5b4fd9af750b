"""Artifacts of Claude: what it wrote for the user beside the conversation, in the last version.

In 2024 they stood as tags in the text; until 2025 the tool `artifacts` made them; since then they
are files, of `create_file` and `str_replace`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath

from lmort_memory.importers.format import LeftOut
from lmort_memory.importers.formats.text import note_turns
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.types import Source, Turn

__all__ = ["artifact_turns", "is_artifact", "without_tags"]

_TOOLS = ("artifacts", "create_file", "str_replace")
_CODE = (
    "application/vnd.ant.code",
    "application/vnd.ant.react",
    "application/vnd.ant.mermaid",
    "text/html",
    "image/svg+xml",
)
_TEXT_FILE = re.compile(r"\.(?:md|markdown|txt|org|rst)$", re.IGNORECASE)
# Tags in backticks or in a block of code are talk about tags.
_TAGGED = re.compile(
    r"(?P<quoted>^```.*?^```)"
    r"|(?<!`)<antThinking>(?P<thought>.*?)</antThinking>\s*"
    r"|(?<!`)<antArtifact(?P<names>(?:\s+\w+=\"[^\"]*\")+)\s*>(?P<content>.*?)(?:</antArtifact>|\Z)\s*",
    re.DOTALL | re.MULTILINE,
)
_NAMED = re.compile(r"(\w+)=\"([^\"]*)\"")


def without_tags(text: str, left_out: LeftOut) -> str:
    """Return what Claude said without the thoughts and artifacts that stand in it as tags."""
    left_out["thinking block"] += sum(one["thought"] is not None for one in _TAGGED.finditer(text))
    return _TAGGED.sub(lambda one: one["quoted"] or "", text).strip()


def is_artifact(block: Object) -> bool:
    """Whether a block makes or changes an artifact."""
    return text_of(block, "type") == "tool_use" and text_of(block, "name") in _TOOLS


def artifact_turns(
    messages: Iterable[Object], *, uri: str, when: datetime | None, left_out: LeftOut
) -> Iterator[Turn]:
    """Yield the texts among a conversation's artifacts; programs and drawings are counted."""
    made = _Artifacts(left_out)
    for message in messages:
        blocks = [object_of(entry) for entry in items_of(message, "content")]
        if not any(text_of(block, "text") for block in blocks):
            blocks.append({"text": text_of(message, "content") or text_of(message, "text")})
        for block in blocks:
            call = object_of(block.get("input"))
            if not is_artifact(block):
                made.take_tagged(text_of(block, "text"))
            elif text_of(block, "name") == "artifacts":
                made.take(call)
            else:
                made.take_file(call)
    for name, text in made.texts.items():
        title = made.titles[name]
        for turn in note_turns(text, uri=uri, title=title, form="claude", created_at=when):
            yield replace(turn, session=uri, source=Source(uri))


@dataclass(slots=True)
class _Artifacts:
    """The artifacts of a conversation as they are after each call."""

    left_out: LeftOut
    titles: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def take(self, call: Object) -> None:
        """Take in a call of the tool `artifacts`."""
        name = text_of(call, "id")
        if text_of(call, "type") in _CODE:
            self.left_out["program or drawing of an artifact"] += 1
            self.texts.pop(name, None)
        elif text_of(call, "command") == "update" and name in self.texts:
            self._edit(name, call)
        elif content := text_of(call, "content"):
            self.texts[name] = content
            self.titles[name] = text_of(call, "title") or self.titles.get(name, "") or "artifact"

    def take_tagged(self, text: str) -> None:
        """Take in the artifacts that stand as tags in a text."""
        for found in _TAGGED.finditer(text):
            if found["names"]:
                names: Object = dict(_NAMED.findall(found["names"]))
                name = text_of(names, "identifier") or text_of(names, "title")
                self.take({**names, "id": name, "content": found["content"].strip()})

    def take_file(self, call: Object) -> None:
        """Take in a file that is made or edited."""
        path = text_of(call, "path")
        if not _TEXT_FILE.search(path):
            self.left_out["program or drawing of an artifact"] += 1
        elif "file_text" in call:
            self.texts[path] = text_of(call, "file_text")
            self.titles[path] = PurePosixPath(path).name
        elif path in self.texts:
            self._edit(path, call)

    def _edit(self, name: str, call: Object) -> None:
        old, new = text_of(call, "old_str"), text_of(call, "new_str")
        self.texts[name] = self.texts[name].replace(old, new, 1)
