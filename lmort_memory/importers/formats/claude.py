"""Claude exports: the zip, or the JSON files of the unpacked folder, in every layout so far.

Conversations become turns, one file for all of them or one for each; a project's documents,
description and instructions, and what Claude itself remembers, become notes. The export does not
say which project a conversation belongs to, and no link is invented.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from lmort_memory.importers.archive import first_elements, members
from lmort_memory.importers.artifacts import artifact_turns, is_artifact, without_tags
from lmort_memory.importers.format import Format, LeftOut, whole
from lmort_memory.importers.formats.text import note_turns
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.importers.times import from_iso
from lmort_memory.importers.tree import Node, branch_to
from lmort_memory.text import valid
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

_FILES = re.compile(r"\.json$", re.IGNORECASE)
_ROLES = {"human": "user", "user": "user", "assistant": "assistant"}
_ROOT = "00000000-0000-4000-8000-000000000000"  # the parent of a conversation's first message
# What the export writes where the app drew something.
_PLACEHOLDER = re.compile(
    r"(?:^[ \t]*```[^\n]*\n)?[ \t]*(?:This block is not supported on your current device yet"
    r"|Viewing artifacts created via the Analysis Tool web feature preview isn.t yet supported on"
    r" mobile)\.[ \t]*"
    r"(?:\n[ \t]*```[ \t]*$)?",
    re.MULTILINE,
)


def _matches(path: Path) -> bool:
    return any(map(_is_ours, first_elements(path, _FILES)))


def _is_ours(value: JsonValue) -> bool:
    if not isinstance(value, dict):
        return False
    named = "uuid" in value
    return _is_memory(value) or (named and (_is_conversation(value) or _is_project(value)))


def _is_conversation(value: Object) -> bool:
    return isinstance(value.get("chat_messages"), list)


def _is_project(value: Object) -> bool:
    return isinstance(value.get("docs"), list) or "prompt_template" in value


def _is_memory(value: Object) -> bool:
    return "conversations_memory" in value or "project_memories" in value


def _reader(
    entry: Object, written_at: datetime | None
) -> Callable[[Object, LeftOut], Iterator[Turn]] | None:
    if _is_conversation(entry):
        return _conversation
    if _is_project(entry):
        return _project
    return partial(_memory, written_at=written_at) if _is_memory(entry) else None


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    with members(path, _FILES, left_out) as found:
        for member in found:
            for entry in member.elements(left_out.fail):
                if reader := _reader(entry, member.written_at):
                    name = f"{member.name} {text_of(entry, 'name')!r}".lstrip()
                    yield from whole(partial(reader, entry, left_out), name, left_out)
                else:
                    left_out[f"entry of {member.name or 'the file'} without text to remember"] += 1


def _conversation(conversation: Object, left_out: LeftOut) -> Iterator[Turn]:
    uri = valid(f"claude:{text_of(conversation, 'uuid')}")
    left_out.dates[uri] = from_iso(conversation.get("updated_at"))
    metadata: dict[str, JsonValue] = {"format": "claude"}
    metadata["conversation_id"] = text_of(conversation, "uuid")
    if title := valid(text_of(conversation, "name")).strip():
        metadata["title"] = title
    branch = _branch(conversation, left_out)
    for message in branch:
        role = _role(message)
        said_at = from_iso(message.get("created_at")) or from_iso(conversation.get("created_at"))
        text = _text(message, role, left_out)
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
    when = from_iso(branch[-1].get("created_at")) if branch else None
    answers = [message for message in branch if _role(message) != "user"]
    yield from artifact_turns(answers, uri=uri, when=when, left_out=left_out)


def _role(message: Object) -> str | None:
    return _ROLES.get(text_of(message, "sender") or text_of(message, "role"))


def _branch(conversation: Object, left_out: LeftOut) -> list[Object]:
    """Return the messages of the branch that was last on the screen, in order."""
    entries = [object_of(entry) for entry in items_of(conversation, "chat_messages")]
    names = _names(entries)
    if not any(text_of(entry, "parent_message_uuid") for entry in entries):
        return entries  # older exports have no tree
    nodes: dict[str, Node] = {}
    last_of: dict[str, str] = {}  # the name given to the last message so far of each uuid
    before = ""
    for name, entry in zip(names, entries, strict=True):
        parent = _parent(entry, before)
        nodes[name] = Node(last_of.get(parent, parent), time=_time(entry))
        last_of[text_of(entry, "uuid")] = before = name
    leaf = last_of.get(text_of(conversation, "current_leaf_message_uuid"), "")
    if leaf not in nodes:
        leaf = max(reversed(names), key=lambda name: nodes[name].time)
    by_name = dict(zip(names, entries, strict=True))
    branch = branch_to(leaf, nodes)
    if left := len(by_name) - len(branch):
        left_out["message on a branch that was left"] += left
    return [by_name[name] for name in branch]


def _names(entries: list[Object]) -> list[str]:
    """Name each message; a second one of the same uuid by its place, so that neither is lost."""
    names: dict[str, None] = {}
    for place, entry in enumerate(entries):
        uuid = text_of(entry, "uuid")
        names[f"message {place}" if not uuid or uuid in names else uuid] = None
    return list(names)


def _parent(entry: Object, before: str) -> str:
    """Name the message that this one answers: the one before it where none is named."""
    parent = text_of(entry, "parent_message_uuid")
    return "" if parent == _ROOT else parent or before


def _time(entry: Object) -> float:
    when = from_iso(entry.get("created_at"))
    return when.timestamp() if when else 0.0


def _text(message: Object, role: str | None, left_out: LeftOut) -> str:
    """Join a message's text blocks; older exports have the bare text only."""
    said = list(_blocks(message, left_out))
    if isinstance(bare := message.get("content"), str):  # as in the dialect of the API
        said.append(bare)
    parts = [_clean(part, role, left_out) for part in said]
    text = "\n\n".join(part for part in parts if part)
    return text or ("" if said else _clean(text_of(message, "text"), role, left_out))


def _blocks(message: Object, left_out: LeftOut) -> Iterator[str]:
    for entry in items_of(message, "content"):
        block = object_of(entry)
        kind = text_of(block, "type")
        if is_artifact(block):
            continue  # they follow the conversation
        if kind in ("text", "voice_note"):
            yield text_of(block, "text")
        else:
            left_out[f"{kind or 'unknown'} block"] += 1


def _clean(text: str, role: str | None, left_out: LeftOut) -> str:
    text = _PLACEHOLDER.sub("", text).strip()
    return text if role == "user" else without_tags(text, left_out)


def _attachment(attachment: Object, uri: str, message: Object, left_out: LeftOut) -> Iterator[Turn]:
    """Yield the text that Claude extracted from a file which the user attached."""
    text = text_of(attachment, "extracted_content")
    if not text.strip():
        left_out["attachment"] += 1
    title = text_of(attachment, "file_name") or "attachment"
    when = from_iso(message.get("created_at"))
    for turn in note_turns(text, uri=uri, title=title, form="claude", created_at=when):
        # A part of the conversation, and forgotten with it; its span is not one of it.
        yield replace(turn, session=uri, source=Source(uri))


def _project(project: Object, left_out: LeftOut) -> Iterator[Turn]:
    """Yield a project's texts. It is one source, so that a text that was taken out goes."""
    uri = valid(f"claude-project:{text_of(project, 'uuid')}")
    if (changed := from_iso(project.get("updated_at"))) is not None:
        left_out.dates[uri] = changed
    name = text_of(project, "name") or "project"
    created_at = from_iso(project.get("created_at"))
    texts = [(key, text_of(project, key), created_at) for key in ("description", "prompt_template")]
    for entry in items_of(project, "docs"):
        document = object_of(entry)
        title = text_of(document, "filename") or text_of(document, "uuid")
        when = from_iso(document.get("created_at")) or created_at
        texts.append((title, text_of(document, "content"), when))
    for title, text, when in texts:
        if not text.strip():
            left_out["empty project text"] += 1
        heading = f"{name}: {title}"
        for turn in note_turns(text, uri=uri, title=heading, form="claude", created_at=when):
            yield replace(turn, source=Source(uri))  # its span is not one of the project


def _memory(memory: Object, left_out: LeftOut, *, written_at: datetime | None) -> Iterator[Turn]:
    """Yield what Claude keeps of the user, in general and for each project.

    It has no date of its own: of two exports the one that was written later counts.
    """
    account = text_of(memory, "account_uuid") or "account"
    texts = [("conversations", "Claude's memory", text_of(memory, "conversations_memory"))]
    for project, value in object_of(memory.get("project_memories")).items():
        text = value if isinstance(value, str) else ""
        texts.append((f"project/{project}", "Claude's memory of a project", text))
    for name, title, text in texts:
        if not text.strip():
            left_out["empty memory"] += 1
        uri = valid(f"claude-memory:{account}/{name}")
        if written_at is not None:
            left_out.dates[uri] = written_at
        yield from note_turns(text, uri=uri, title=title, form="claude", created_at=None)


FORMAT = Format(
    name="claude",
    suffixes=(".zip", ".json"),
    matches=_matches,
    read=_read,
    version=5,
    about="Claude exports: the zip, the folder, or its .json files",
    companions=frozenset({"users.json"}),
)
