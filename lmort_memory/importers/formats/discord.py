"""Discord channels, as DiscordChatExporter (2.x) writes them to JSON.

Joins, pins, calls and other lines that Discord wrote, attachments and stickers are left out. A
forwarded message is said by who forwarded it: Discord does not tell whose it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lmort_memory.importers.format import Format, LeftOut
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.importers.json_walk import first_parts, parts
from lmort_memory.importers.messages import Room, clean
from lmort_memory.importers.times import from_iso
from lmort_memory.types import JsonValue, Turn

__all__ = ["FORMAT"]

_OPENED = ("", ".messages")
_SPOKEN = {"Default", "Reply", "ChatInputCommand", "ContextMenuCommand", "ThreadStarterMessage"}
_SPOKEN |= {"0", "19", "20", "21", "23"}  # older versions write the number of a type they lack
_EMOJI = re.compile(r"<a?(:\w+:)\d+>")


def _matches(path: Path) -> bool:
    head = dict(first_parts(path, *_OPENED))
    channel = object_of(head.get(".channel"))
    return ".guild" in head and {"id", "name"} <= channel.keys()


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    head: Object = {}
    for name, value in parts(path, *_OPENED, damaged=left_out.fail):
        if name != ".messages[]":
            head[name.removeprefix(".")] = value
        elif turn := _turn(object_of(value), _room(head), left_out):
            yield turn


def _room(head: Object) -> Room:
    guild, channel = object_of(head.get("guild")), object_of(head.get("channel"))
    names = (text_of(guild, "name"), text_of(channel, "name"))
    title = " > ".join(name for name in names if name)
    return Room("discord", f"discord:{text_of(channel, 'id')}", title)


def _turn(message: Object, room: Room, left_out: LeftOut) -> Turn | None:
    forwarded = object_of(message.get("forwardedMessage"))
    for one in (message, forwarded):
        left_out["attachment"] += len(items_of(one, "attachments"))
        left_out["sticker"] += len(items_of(one, "stickers"))
    kind = text_of(message, "type")
    if kind not in _SPOKEN:
        left_out[f"message of Discord's own ({kind})"] += 1
        return None
    text = "\n".join(filter(None, (_words(message), _words(forwarded))))
    if not text:
        left_out["message without text"] += 1
        return None
    author = object_of(message.get("author"))
    metadata: dict[str, JsonValue] = {"message_id": text_of(message, "id")}
    if forwarded:  # its reference names the message that was forwarded
        metadata["forwarded"] = True
    elif answered := text_of(object_of(message.get("reference")), "messageId"):
        metadata["answers"] = answered
    if message.get("isPinned") is True:
        metadata["pinned"] = True
    return room.turn(
        text,
        author=text_of(author, "nickname").strip() or text_of(author, "name"),
        said_at=from_iso(message.get("timestamp")),
        metadata=metadata,
    )


def _words(message: Object) -> str:
    """Return the words of a message, or of its cards if it has none of its own, as those of bots.

    Beside words, cards are mostly previews of the pages that a message links to.
    """
    if said := clean(_EMOJI.sub(r"\1", text_of(message, "content"))):
        return said
    cards = (_card(object_of(item)) for item in items_of(message, "embeds"))
    return clean(_EMOJI.sub(r"\1", "\n".join(filter(None, cards))))


def _card(card: Object) -> str:
    fields = (_field(object_of(item)) for item in items_of(card, "fields"))
    said = (
        text_of(object_of(card.get("author")), "name"),
        text_of(card, "title"),
        text_of(card, "description"),
        *fields,
        text_of(object_of(card.get("footer")), "text"),
    )
    return "\n".join(part.strip() for part in said if part.strip())


def _field(field: Object) -> str:
    said = (text_of(field, key).strip() for key in ("name", "value"))
    return ": ".join(filter(None, said))


FORMAT = Format(
    name="discord",
    suffixes=(".json",),
    matches=_matches,
    read=_read,
    version=2,
    about="Discord channels: JSON of DiscordChatExporter",
    appends=True,
)
