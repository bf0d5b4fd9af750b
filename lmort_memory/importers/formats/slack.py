"""Slack exports: the zip, or the unpacked folder with a folder of day files for each channel.

Slack's markup becomes what a person reads: `<@U1>` the member's name, `<url|label>` the label.
Joins, topics and other lines that Slack wrote, and files, are left out.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath

from lmort_memory.errors import ImportFileError
from lmort_memory.importers.format import Format, LeftOut, whole
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.importers.json_walk import first_parts
from lmort_memory.importers.members import Members, member_names, opened_zip
from lmort_memory.importers.messages import Room, clean
from lmort_memory.importers.times import from_epoch
from lmort_memory.text import marked_encoding
from lmort_memory.types import JsonValue, Turn

__all__ = ["FORMAT"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\.json")
_TS = re.compile(r"\d{9,11}\.\d{6}")
_LISTS = ("users.json", "channels.json", "groups.json", "dms.json", "mpims.json")
_LINK = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
_SPOKEN = {"", "thread_broadcast", "bot_message", "me_message", "file_share", "file_comment"}


@dataclass(slots=True)
class _Workspace:
    """Who is who, and how the folders of conversations are called."""

    team: str = ""
    people: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)

    def learn(self, name: str, entries: JsonValue) -> None:
        """Take in one of the lists beside the conversations."""
        for value in entries if isinstance(entries, list) else []:
            entry = object_of(value)
            if name == "users.json":
                self.team = self.team or text_of(entry, "team_id")
                self.people[text_of(entry, "id")] = _person(entry)
            elif name in ("dms.json", "mpims.json"):
                members = [item for item in items_of(entry, "members") if isinstance(item, str)]
                title = ", ".join(self.people.get(one, one) for one in members)
                self.titles[text_of(entry, "name") or text_of(entry, "id")] = title
            else:
                self.titles[text_of(entry, "name")] = f"#{text_of(entry, 'name')}"

    def room(self, folder: str) -> Room:
        """Return the conversation that a folder holds."""
        uri = f"slack:{self.team}/{folder}" if self.team else f"slack:{folder}"
        return Room("slack", uri, self.titles.get(folder, f"#{folder}"))


def _person(user: Object) -> str:
    profile = object_of(user.get("profile"))
    return (
        text_of(profile, "display_name").strip()
        or text_of(profile, "real_name").strip()
        or text_of(user, "real_name").strip()
        or text_of(user, "name")
    )


def _matches(path: Path) -> bool:
    if path.suffix.lower() == ".zip":
        names = [PurePosixPath(name) for name in member_names(path)]
        days = any(_DAY.fullmatch(name.name) and len(name.parts) > 1 for name in names)
        return days and any(name.name == "users.json" for name in names)
    if path.name in _LISTS:
        return _is_list(path)
    return bool(_DAY.fullmatch(path.name)) and _is_day(path)


def _is_list(path: Path) -> bool:
    entries = [object_of(value) for _, value in first_parts(path, "", at_most=3)]
    keys = {"profile"} if path.name == "users.json" else {"created", "members"}
    return bool(entries) and all("id" in one and keys <= one.keys() for one in entries)


def _is_day(path: Path) -> bool:
    entries = [object_of(value) for _, value in first_parts(path, "", at_most=3)]
    return bool(entries) and all(_TS.fullmatch(text_of(one, "ts")) for one in entries)


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    if path.suffix.lower() == ".zip":
        yield from _read_zip(path, left_out)
    elif path.name in _LISTS:
        left_out[f"list of an export ({path.name})"] += 1  # read beside each day
    else:
        folder = path.parent
        workspace = _workspace_of(folder.parent, _stamp(folder.parent))
        messages = _loaded(path.read_bytes(), str(path))
        yield from _turns(messages, workspace, workspace.room(folder.name), left_out)


def _read_zip(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    with opened_zip(path) as members:
        by_name = {PurePosixPath(name).name: name for name in members.names}
        workspace = _Workspace()
        for name in _LISTS:
            if name in by_name:
                workspace.learn(name, _loaded(members.read(by_name[name]), f"{path}, {name}"))
        days = [name for name in members.names if _DAY.fullmatch(PurePosixPath(name).name)]
        lists = [by_name[name] for name in _LISTS if name in by_name]
        members.count_others([*days, *lists], left_out)
        for name in days:
            day = partial(_day, members, name, workspace, left_out)
            yield from whole(day, name, left_out)


def _day(members: Members, name: str, workspace: _Workspace, left_out: LeftOut) -> Iterator[Turn]:
    room = workspace.room(PurePosixPath(name).parent.name)
    yield from _turns(_loaded(members.read(name), "it"), workspace, room, left_out)


def _loaded(data: bytes, where: str) -> JsonValue:
    try:
        wide = marked_encoding(data)
        text = data.decode(wide) if wide else data.decode("utf-8-sig", "surrogateescape")
        value: JsonValue = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        raise ImportFileError(
            f"{where} is damaged: {error} — export it again", path=where
        ) from error
    return value


def _stamp(folder: Path) -> tuple[float, ...]:
    """Return when the lists beside the conversations were written, to read them once."""
    lists = [folder / name for name in _LISTS]
    return tuple(path.stat().st_mtime if path.is_file() else 0.0 for path in lists)


@lru_cache(maxsize=4)
def _workspace_of(folder: Path, stamp: tuple[float, ...]) -> _Workspace:
    workspace = _Workspace()
    for name, written in zip(_LISTS, stamp, strict=True):
        if written:
            workspace.learn(name, _loaded((folder / name).read_bytes(), str(folder / name)))
    return workspace


def _turns(
    messages: JsonValue, workspace: _Workspace, room: Room, left_out: LeftOut
) -> Iterator[Turn]:
    for value in messages if isinstance(messages, list) else []:
        message = object_of(value)
        kind = text_of(message, "subtype")
        left_out["attachment"] += len(items_of(message, "files"))
        if kind not in _SPOKEN:
            left_out[f"message of Slack's own ({kind})"] += 1
            continue
        text = _readable(_words(message), workspace.people)
        if not text:
            left_out["message without text"] += 1
            continue
        metadata: dict[str, JsonValue] = {"message_id": text_of(message, "ts")}
        if thread := text_of(message, "thread_ts"):
            metadata["thread_id"] = thread
        said_at = from_epoch(_number(text_of(message, "ts")))
        author = _author(message, workspace.people)
        yield room.turn(text, author=author, said_at=said_at, metadata=metadata)


def _author(message: Object, people: Mapping[str, str]) -> str:
    profile = object_of(message.get("user_profile"))
    user = text_of(message, "user")
    return (
        people.get(user, "")
        or text_of(profile, "display_name").strip()
        or text_of(profile, "real_name").strip()
        or text_of(message, "username").strip()
        or user
        or text_of(message, "bot_id")
    )


def _words(message: Object) -> str:
    """Return what a message says, in Slack's markup.

    A program's words may stand in its attachments alone. Beside words, attachments are previews of
    links, except messages that a person shared.
    """
    said = text_of(message, "text") or _blocks(message)
    attached = [object_of(item) for item in items_of(message, "attachments")]
    kept = [one for one in attached if _is_shared(one) or not said.strip()]
    return "\n".join(filter(None, (said, *map(_attached, kept))))


def _is_shared(attachment: Object) -> bool:
    return attachment.get("is_share") is True or attachment.get("is_msg_unfurl") is True


def _attached(attachment: Object) -> str:
    """Return the words of an attachment; its fallback repeats them for clients that show none."""
    fields = (object_of(item) for item in items_of(attachment, "fields"))
    text = text_of(attachment, "text") or _blocks(attachment)
    author = text_of(attachment, "author_name").strip()
    if text and author and _is_shared(attachment):
        text = f"{author}: {text}"
    parts = (
        text_of(attachment, "pretext"),
        text_of(attachment, "title"),
        text,
        *(": ".join(filter(None, (text_of(f, "title"), text_of(f, "value")))) for f in fields),
    )
    return "\n".join(filter(None, parts)) or text_of(attachment, "fallback")


def _blocks(value: Object) -> str:
    return "\n".join(filter(None, map(_block, items_of(value, "blocks"))))


def _block(value: JsonValue) -> str:
    """Return the words of a block or of an element in one, in Slack's markup."""
    element = object_of(value)
    kind = text_of(element, "type")
    if kind == "link":
        return text_of(element, "text") or text_of(element, "url")
    if kind == "user":
        return f"<@{text_of(element, 'user_id')}>"
    if kind == "emoji":
        return f":{text_of(element, 'name')}:"
    if isinstance(inner := element.get("text"), dict):
        return text_of(inner, "text")
    if said := text_of(element, "text"):
        return said
    parts = [_block(one) for key in ("elements", "fields") for one in items_of(element, key)]
    return ("\n" if kind in ("rich_text", "rich_text_list") else "").join(parts)


def _readable(text: str, people: Mapping[str, str]) -> str:
    def shown(link: re.Match[str]) -> str:
        target, label = link[1], link[2]
        if target.startswith("@"):
            return f"@{people.get(target[1:], label or target[1:])}"
        if target.startswith("#"):
            return f"#{label or target[1:]}"
        if target.startswith("!"):
            return label or f"@{target[1:].partition('^')[0]}"
        return label or target.removeprefix("mailto:")

    return clean(html.unescape(_LINK.sub(shown, text)))


def _number(text: str) -> float | None:
    return float(text) if _TS.fullmatch(text) else None


FORMAT = Format(
    name="slack",
    suffixes=(".zip", ".json"),
    matches=_matches,
    read=_read,
    version=4,
    about="Slack exports: the zip or the unpacked folder",
    appends=True,
)
