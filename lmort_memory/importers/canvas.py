"""Canvas documents of ChatGPT: what user and assistant wrote together, in its last version."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from lmort_memory.importers.format import LeftOut
from lmort_memory.importers.formats.text import note_turns
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.types import JsonValue, Turn

__all__ = ["Document", "document_turns", "documents"]

_CREATE, _UPDATE = "canmore.create_textdoc", "canmore.update_textdoc"
_SIGNS = re.compile(r"[\\.*+?|()\[\]{}^$]")
_ESCAPED = re.compile(r"\\(\W)")
_WHOLE = (".*", "(?s).*", "^.*$", "[\\s\\S]*")


@dataclass(slots=True)
class Document:
    """A document, with its title."""

    title: str
    text: str


def documents(messages: Iterable[Object], left_out: LeftOut) -> dict[int, Document]:
    """Return the documents of a conversation as they were at its end.

    The key is the place of the message that made it.
    """
    made: dict[int, Document] = {}
    for place, message in enumerate(messages):
        to = text_of(message, "recipient")
        if to == _CREATE:
            call = _call(message)
            made[place] = Document(text_of(call, "name") or "canvas", text_of(call, "content"))
        elif to == _UPDATE and made:
            _update(made[max(made)], _call(message), left_out)
    return made


def document_turns(document: Document, *, uri: str, when: datetime | None) -> Iterator[Turn]:
    """Cut a document into notes."""
    yield from note_turns(
        document.text, uri=uri, title=document.title, form="chatgpt", created_at=when
    )


def _call(message: Object) -> Object:
    content = object_of(message.get("content"))
    said = text_of(content, "text") or "".join(
        part for part in items_of(content, "parts") if isinstance(part, str)
    )
    try:
        value: JsonValue = json.loads(said, strict=False)
    except (ValueError, RecursionError):
        return {}
    return object_of(value)


def _update(document: Document, call: Object, left_out: LeftOut) -> None:
    """Apply the edits that are plain; a regular expression of a file is never run."""
    for item in items_of(call, "updates"):
        edit = object_of(item)
        pattern, new = text_of(edit, "pattern"), text_of(edit, "replacement")
        plain = _ESCAPED.sub(r"\1", pattern)  # what the pattern says where it is no more
        if pattern in _WHOLE:
            document.text = new
        elif plain in document.text and not _SIGNS.search(_ESCAPED.sub("", pattern)):
            count = -1 if edit.get("multiple") is True else 1
            document.text = document.text.replace(plain, new, count)
        else:
            left_out["canvas edit by a regular expression"] += 1
