"""Claude exports: the zip, or conversations.json and projects*.json of the unpacked folder.

Conversations become turns; a project's documents, description and instructions become notes. The
export does not say which project a conversation belongs to, and no link is invented.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lmort_memory.importers._archive import first_element, json_files, list_elements
from lmort_memory.importers._format import Format, LeftOut
from lmort_memory.importers._json_fields import Object, items_of, object_of, text_of
from lmort_memory.importers._times import from_iso
from lmort_memory.importers.text import note_turns
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

_FILES = re.compile(r"(?:^|/)(?:conversations|projects)(?:[-_]?\d+)?\.json$")
_ROLES = {"human": "user", "user": "user", "assistant": "assistant"}


def _matches(path: Path) -> bool:
    return any(_is_ours(first_element(path, member)) for member in json_files(path, _FILES))


def _is_ours(value: JsonValue) -> bool:
    return (
        isinstance(value, dict)
        and "uuid" in value
        and (_is_conversation(value) or _is_project(value))
    )


def _is_conversation(value: Object) -> bool:
    return isinstance(value.get("chat_messages"), list)


def _is_project(value: Object) -> bool:
    return isinstance(value.get("docs"), list)


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    for member in json_files(path, _FILES):
        for entry in list_elements(path, member):
            if _is_conversation(entry):
                yield from _conversation(entry, left_out)
            elif _is_project(entry):
                yield from _project(entry, left_out)
            else:
                left_out["entry that is neither conversation nor project"] += 1


def _conversation(conversation: Object, left_out: LeftOut) -> Iterator[Turn]:
    uri = f"claude:{text_of(conversation, 'uuid')}"
    metadata: dict[str, JsonValue] = {"format": "claude"}
    metadata["conversation_id"] = text_of(conversation, "uuid")
    if title := text_of(conversation, "name").strip():
        metadata["title"] = title
    for entry in items_of(conversation, "chat_messages"):
        message = object_of(entry)
        role = _ROLES.get(text_of(message, "sender") or text_of(message, "role"))
        said_at = from_iso(message.get("created_at")) or from_iso(conversation.get("created_at"))
        text = _text(message, left_out)
        if role and text:
            yield Turn(
                text=text,
                role=role,
                session=uri,
                created_at=said_at,
                metadata={**metadata, "message_id": text_of(message, "uuid")},
                source=Source(uri),
            )
        else:
            left_out["message without text" if role else "message of an unknown role"] += 1
        left_out["attachment"] += len(items_of(message, "files"))
        for attachment in items_of(message, "attachments"):
            yield from _attachment(object_of(attachment), uri, message, left_out)


def _text(message: Object, left_out: LeftOut) -> str:
    """Join a message's text blocks; older exports have the bare text only."""
    said: list[str] = []
    for entry in items_of(message, "content"):
        block = object_of(entry)
        kind = text_of(block, "type")
        if kind == "text":
            said.append(text_of(block, "text").strip())
        else:
            left_out[f"{kind or 'unknown'} block"] += 1
    text = "\n\n".join(part for part in said if part)
    return text or ("" if said else text_of(message, "text").strip())


def _attachment(attachment: Object, uri: str, message: Object, left_out: LeftOut) -> Iterator[Turn]:
    """Yield the text that Claude extracted from a file which the user attached."""
    text = text_of(attachment, "extracted_content")
    if not text.strip():
        left_out["attachment"] += 1
    title = text_of(attachment, "file_name") or "attachment"
    when = from_iso(message.get("created_at"))
    for turn in note_turns(text, uri=uri, title=title, form="claude", created_at=when):
        yield replace(turn, source=Source(uri))  # its span is not one of the conversation


def _project(project: Object, left_out: LeftOut) -> Iterator[Turn]:
    name = text_of(project, "name") or "project"
    created_at = from_iso(project.get("created_at"))
    texts = [(key, text_of(project, key), created_at) for key in ("description", "prompt_template")]
    for entry in items_of(project, "docs"):
        document = object_of(entry)
        title = text_of(document, "filename") or text_of(document, "uuid")
        when = from_iso(document.get("created_at")) or created_at
        texts.append((title, text_of(document, "content"), when))
    for number, (title, text, when) in enumerate(texts):
        if text.strip():
            uri = f"claude-project:{text_of(project, 'uuid')}/{number}/{title}"
            yield from note_turns(
                text, uri=uri, title=f"{name}: {title}", form="claude", created_at=when
            )
        else:
            left_out["empty project text"] += 1


FORMAT = Format(
    name="claude",
    suffixes=(".zip", ".json"),
    matches=_matches,
    read=_read,
    companions=frozenset({"memories.json", "users.json"}),
)
