"""Telegram Desktop's export as machine-readable JSON: result.json of one chat or of all.

Service messages (calls, joins), files, stickers and photos without words are left out; of a poll,
the question and its options are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from lmort_memory.importers.format import Format, LeftOut
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.importers.json_walk import first_parts, parts
from lmort_memory.importers.messages import Room, clean
from lmort_memory.importers.times import from_epoch, from_iso
from lmort_memory.types import JsonValue, Turn

__all__ = ["FORMAT"]

_ONE = ("", ".messages")
_ALL = ("", ".chats", ".chats.list", ".chats.list[]", ".chats.list[].messages")
_LEFT = ("", ".left_chats", ".left_chats.list", ".left_chats.list[]", ".left_chats.list[].messages")
_OPENED = (*_ONE, *_ALL[1:], *_LEFT[1:])
_MEDIA = ("photo", "file", "media_type", "location_information", "contact_information")
_LISTS = ("", ".chats", ".chats.list", ".left_chats", ".left_chats.list")


def _matches(path: Path) -> bool:
    return _begins_with_messages(path) or _begins_with_chats(path)


def _begins_with_messages(path: Path) -> bool:
    for name, value in first_parts(path, *_OPENED, at_most=200):
        if name.endswith(".messages[]"):
            message = object_of(value)
            dated = "date_unixtime" in message or "date" in message
            return dated and text_of(message, "type") in ("message", "service")
    return False


def _begins_with_chats(path: Path) -> bool:
    """Whether the export lists chats: many may be empty before the first message."""
    for name, value in first_parts(path, *_LISTS):
        if name.endswith("s.list[]"):
            chat = object_of(value)
            known = isinstance(chat.get("id"), int) and text_of(chat, "type")
            return bool(known) and isinstance(chat.get("messages"), list)
    return False


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    chat: Object = {}
    others, said = 0, False
    for name, value in parts(path, *_OPENED, damaged=left_out.fail):
        where, _, field = name.rpartition(".")
        # The next chat begins, which may have no name.
        if field != "messages[]" and (said or field in chat):
            chat, said = {}, False
        if field == "messages[]":
            said = True
            if turn := _turn(object_of(value), _room(chat, path), left_out):
                yield turn
        elif where in ("", ".chats.list[]", ".left_chats.list[]"):
            chat[field] = value
        else:
            others += 1
    left_out["part of the export that is not a chat"] += others


def _room(chat: Object, path: Path) -> Room:
    number = chat.get("id")
    title = text_of(chat, "name").strip()
    if not title and chat.get("type") == "saved_messages":
        title = "Saved Messages"
    name = str(number) if isinstance(number, int | str) else title or path.parent.name
    return Room("telegram", f"telegram:{name}", title)


def _turn(message: Object, room: Room, left_out: LeftOut) -> Turn | None:
    if message.get("type") != "message":
        left_out[f"{message.get('type')} message"] += 1
        return None
    left_out["attachment"] += any(key in message for key in _MEDIA)
    text = clean(f"{_text(message.get('text'))}\n{_poll(object_of(message.get('poll')))}")
    if not text:
        left_out["message without text"] += 1
        return None
    metadata: dict[str, JsonValue] = {}
    for key, name in (("id", "message_id"), ("reply_to_message_id", "answers")):
        if isinstance(value := message.get(key), int):
            metadata[name] = value
    if forwarded := text_of(message, "forwarded_from"):
        metadata["forwarded_from"] = forwarded
    author = text_of(message, "from").strip() or text_of(message, "from_id")
    return room.turn(text, author=author, said_at=_said_at(message), metadata=metadata)


def _said_at(message: Object) -> datetime | None:
    """Return the moment; older exports have the local time alone."""
    unix = text_of(message, "date_unixtime")
    if unix.lstrip("-").isdigit():
        return from_epoch(int(unix))
    return from_iso(message.get("date"))


def _text(value: JsonValue) -> str:
    """Join the pieces of a formatted text; a link's address is lost where it has a label."""
    if isinstance(value, str):
        return value
    pieces = value if isinstance(value, list) else []
    return "".join(p if isinstance(p, str) else text_of(object_of(p), "text") for p in pieces)


def _poll(poll: Object) -> str:
    """Return a poll's question and its options, a line each."""
    options = (_text(object_of(one).get("text")) for one in items_of(poll, "answers"))
    return "\n".join([_text(poll.get("question")), *(f"- {one}" for one in options if one)])


FORMAT = Format(
    name="telegram",
    suffixes=(".json",),
    matches=_matches,
    read=_read,
    version=3,
    about="Telegram Desktop: result.json of one chat or of all",
    appends=True,
)
