"""ChatGPT exports: the zip, the unpacked folder, or one of the files conversations*.json.

What is read of a conversation is the branch that was last on the screen: from `current_node` up to
the root. Hidden messages, system messages, tool calls and thoughts are not turns, reports of Deep
Research are; canvas documents are notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from lmort_memory.importers.archive import first_elements, members
from lmort_memory.importers.canvas import document_turns, documents
from lmort_memory.importers.format import Format, LeftOut, whole
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.importers.marks import without_marks
from lmort_memory.importers.reports import report_of
from lmort_memory.importers.times import from_epoch, from_iso
from lmort_memory.importers.tree import Node, branch_to, last_end
from lmort_memory.text import valid
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

_FILES = re.compile(r"(?:^|/)conversations(?:[-_]?\d+| ?\(\d+\))?\.json$", re.IGNORECASE)
_SPOKEN = ("text", "multimodal_text", "code")


def _matches(path: Path) -> bool:
    return any(map(_is_conversation, first_elements(path, _FILES)))


def _is_conversation(value: JsonValue) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("mapping"), dict)
        and ("current_node" in value or "create_time" in value)
    )


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    with members(path, _FILES, left_out) as found:
        for member in found:
            for conversation in member.elements(left_out.fail):
                if not _is_conversation(conversation):
                    left_out["entry that is not a conversation"] += 1
                elif conversation.get("is_do_not_remember") is True:
                    left_out["conversation marked as not to be remembered"] += 1
                else:
                    name = f"conversation {text_of(conversation, 'title')!r}"
                    yield from whole(partial(_turns, conversation, left_out), name, left_out)


def _turns(conversation: Object, left_out: LeftOut) -> Iterator[Turn]:
    nodes = object_of(conversation["mapping"])
    branch = _active_branch(conversation, nodes)
    elsewhere = nodes.keys() - set(branch)
    left_out["message on a branch that was left"] += sum(
        1 for node in elsewhere if _is_spoken(_message(nodes[node]))
    )
    name = _name(conversation) or next((node for node in branch if _message(nodes[node])), "")
    uri = valid(f"chatgpt:{name}")
    left_out.dates[uri] = _time(conversation.get("update_time"))
    metadata: dict[str, JsonValue] = {"format": "chatgpt", "conversation_id": name}
    if title := valid(text_of(conversation, "title")).strip():
        metadata["title"] = title
    said_at = _time(conversation.get("create_time"))
    messages = [_message(nodes[node]) for node in branch]
    canvas = documents(messages, left_out)
    reports: set[str] = set()
    for place, message in enumerate(messages):
        said_at = _time(message.get("create_time")) or said_at
        if place in canvas:
            for turn in document_turns(canvas[place], uri=uri, when=said_at):
                yield replace(turn, session=uri, source=Source(uri))
        elif found := _turn(message, uri, said_at, metadata, left_out):
            yield found
        report = report_of(message)
        if (text := _text(report)) and text not in reports:  # each step repeats the frame's state
            reports.add(text)
            if found := _turn(report, uri, said_at, metadata, left_out):
                yield found


def _name(conversation: Object) -> str:
    """Return the conversation's name, which some programs write as a number."""
    names = (conversation.get(key) for key in ("conversation_id", "id"))
    return next((str(name) for name in names if isinstance(name, str | int) and name), "")


def _active_branch(conversation: Object, nodes: Object) -> list[str]:
    """Return the names of the nodes from the root to `current_node`."""
    tree = {name: _node(value) for name, value in nodes.items()}
    node = text_of(conversation, "current_node")
    return branch_to(node if node in tree else last_end(tree), tree)


def _node(value: JsonValue) -> Node:
    node = object_of(value)
    written = _time(_message(value).get("create_time"))
    children = tuple(name for name in items_of(node, "children") if isinstance(name, str))
    return Node(text_of(node, "parent"), children, written.timestamp() if written else 0.0)


def _time(value: JsonValue) -> datetime | None:
    """Read seconds since 1970, or ISO 8601 as other exporters write it."""
    return from_epoch(value) or from_iso(value)


def _message(node: JsonValue) -> Object:
    return object_of(object_of(node).get("message"))


def _is_spoken(message: Object) -> bool:
    return not _silence(message) and bool(_text(message))


def _silence(message: Object) -> str:
    """Why a message is not a turn of the conversation; "" if it is one."""
    metadata = object_of(message.get("metadata"))
    role = text_of(object_of(message.get("author")), "role")
    if metadata.get("is_visually_hidden_from_conversation") is True:
        return "hidden message"
    if role not in ("user", "assistant"):
        return f"{role or 'nameless'} message"
    if metadata.get("is_user_system_message") is True:
        return "custom instructions"
    if text_of(message, "recipient") not in ("", "all"):
        return "tool call"
    if text_of(message, "channel") == "analysis":  # where models write what they think
        return "thoughts message"
    kind = text_of(object_of(message.get("content")), "content_type")
    return "" if kind in _SPOKEN else f"{kind or 'unknown'} message"


def _turn(
    message: Object,
    uri: str,
    said_at: datetime | None,
    conversation: Mapping[str, JsonValue],
    left_out: LeftOut,
) -> Turn | None:
    if not message:  # the root of every tree
        return None
    if reason := _silence(message):
        left_out[reason] += 1
        return None
    text = _text(message)
    attachments = _attachments(message)
    left_out["attachment"] += len(attachments)
    if not text:
        left_out["message without text"] += 1
        return None
    metadata = {**conversation, "message_id": text_of(message, "id")}
    if model := text_of(object_of(message.get("metadata")), "model_slug"):
        metadata["model"] = model
    if attachments:
        metadata["attachments"] = list[JsonValue](attachments)
    return Turn(
        text=text,
        role=text_of(object_of(message.get("author")), "role"),
        session=uri,
        created_at=said_at,
        metadata=metadata,
        source=Source(uri),
    )


def _text(message: Object) -> str:
    content = object_of(message.get("content"))
    text = "\n".join(filter(None, _parts(content))) or text_of(content, "text")
    return without_marks(text).strip()


def _parts(content: Object) -> Iterator[str]:
    """Yield the parts of a message; other exporters write one bare string, or lists in the list."""
    yield text_of(content, "parts")
    for part in items_of(content, "parts"):
        for piece in part if isinstance(part, list) else [part]:
            yield piece if isinstance(piece, str) else _transcript(piece)


def _transcript(part: JsonValue) -> str:
    """Return what was said in a voice message; "" for images and other objects."""
    spoken = object_of(part)
    said = spoken.get("content_type", "text") in ("text", "audio_transcription")
    return text_of(spoken, "text") if said else ""


def _attachments(message: Object) -> list[str]:
    attached = items_of(object_of(message.get("metadata")), "attachments")
    return [text_of(object_of(item), "name") or "unnamed" for item in attached]


FORMAT = Format(
    name="chatgpt",
    suffixes=(".zip", ".json"),
    matches=_matches,
    read=_read,
    version=5,
    about="ChatGPT exports: the zip, the folder, or conversations*.json",
    companions=frozenset(
        {
            "chat.html",
            "export_manifest.json",
            "group_chats.json",
            "message_feedback.json",
            "model_comparisons.json",
            "shared_conversations.json",
            "shopping.json",
            "sora.json",
            "user.json",
            "user_settings.json",
        }
    ),
)
