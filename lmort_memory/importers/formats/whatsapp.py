"""WhatsApp chats: `_chat.txt`, `WhatsApp Chat with ….txt`, or the zip that holds one of them.

A message begins with a date, whose form depends on phone, system and language:

    [31/12/2023, 21:05:33] Ada: …        12/31/23, 9:05 PM - Ada: …        31.12.23, 21:05 - Ada: …

Whether the day or the month comes first is decided once for a file: by a number over 12, else by
the order of the messages in time, else by the marks of an American phone (a year of two digits,
AM or PM in capitals); else the day comes first, as in most languages. Numbers may be Arabic; a
message may have many lines. Lines without a speaker are WhatsApp's own; they and messages that only
stand for a file are left out (see `whatsapp_phrases`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path, PurePosixPath

from lmort_memory.errors import ImportFileError
from lmort_memory.importers.format import Format, LeftOut, read_head, read_text
from lmort_memory.importers.members import member_names, opened_zip
from lmort_memory.importers.messages import Room, clean
from lmort_memory.importers.times import dated_by_neighbours
from lmort_memory.importers.whatsapp_phrases import (
    AFTERNOON,
    HALVES,
    MARKS,
    NOON,
    is_deleted,
    is_notice,
    is_sentence,
    without_files,
)
from lmort_memory.types import Turn

__all__ = ["FORMAT"]

_HEAD_BYTES = 64 * 1024
_AT_LEAST = 2  # messages that a chat of more than one line has: one dated line may be a diary's
_NAME = re.compile(r"_chat.*\.txt|.*whatsapp.*\.txt", re.I)
_BUDDHIST = 543  # years that the calendar of Thai phones is ahead
# The calendar of Iranian phones: a year, its first day, and which years of 33 have a day more. The
# rule holds from 1343 to 1472, https://en.wikipedia.org/wiki/Solar_Hijri_calendar
_PERSIAN, _NOWRUZ = 1403, date(2024, 3, 20)
_PERSIAN_LEAP = (1, 5, 9, 13, 17, 22, 26, 30)
_GAP = f"[ \\t\u00a0\u202f{MARKS}]"
_DATE = (
    rf"(?P<a>\d{{1,4}}){_GAP}*[./年-]{_GAP}*(?P<b>\d{{1,2}}){_GAP}*[./月-]{_GAP}*(?P<c>\d{{1,4}})"
    rf"(?:[.日]|{_GAP}*г(?:од)?\.)?"  # noqa: RUF001  Bulgarian
)
_CLOCK = r"(?P<hour>\d{1,2})(?:[:.]| ?h ?)(?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?"
_HALF = rf"(?:{_GAP}*(?P<half>[AaPp]\.?{_GAP}?[Mm]\.?|{HALVES}))?(?:{_GAP}(?:ч\.?|Uhr|uur))?"
_BEFORE = rf"(?:(?P<before>{HALVES}){_GAP}*)?"
_STAMP = re.compile(
    rf"[{MARKS}]*\[?[{MARKS}]*{_DATE}{_GAP}*[,،]?{_GAP}+"
    rf"(?:(?:at|um|à|kl\.?|klo|às|alle|plkst\.?){_GAP}+)?{_BEFORE}{_CLOCK}{_HALF}"
    rf"(?:{_GAP}*\]{_GAP}*|{_GAP}+[-–]{_GAP}+)",  # noqa: RUF001  the dash of some languages
)
_SPEAKER = re.compile(r"(?P<author>[^:\n]{1,80}?):(?:\s(?P<text>.*)|$)", re.S)


@dataclass(frozen=True, slots=True)
class _Message:
    """A dated line with those that follow it.

    Attributes:
        date: Its three numbers, in their order.
        text: What was said, with its invisible marks.
    """

    date: tuple[str, str, str]
    clock: tuple[int, int, int]
    american: bool
    author: str
    text: str


def _matches(path: Path) -> bool:
    if path.suffix.lower() == ".zip":
        return bool(_chat_member(member_names(path)))
    lines = [line for line in read_head(path, _HEAD_BYTES).split("\n") if line.strip()]
    if not lines or not _STAMP.match(lines[0]):
        return False
    stamped = [line for line in lines if _STAMP.match(line)]
    return len(stamped) >= min(_AT_LEAST, len(lines)) and any(
        _SPEAKER.match(_STAMP.sub("", line, count=1)) for line in stamped
    )


def _chat_member(names: Iterable[str]) -> str:
    """Name the chat in a zip whose other files are its media; "" if it is no such zip."""
    texts = [name for name in names if name.lower().endswith(".txt")]
    chats = [name for name in texts if _NAME.fullmatch(PurePosixPath(name).name)]
    return chats[0] if len(chats) == 1 and "/" not in chats[0] else ""


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    if path.suffix.lower() == ".zip":
        with opened_zip(path) as members:
            chosen = _chat_member(members.names)
            text = members.text(chosen)
            members.count_others([chosen], left_out)
        own = PurePosixPath(chosen).stem
    else:
        text, own = read_text(path), path.stem
    title = _title(path.stem if own == "_chat" and path.suffix.lower() == ".zip" else own, path)
    messages = list(_messages(text, left_out))
    if not messages and text.strip():
        raise ImportFileError(f"{path} holds no message in a known form", path=str(path))
    dates = [message.date for message in messages]
    order = _order(dates, american=any(message.american for message in messages))
    room = Room("whatsapp", f"whatsapp:{title}", title)
    yield from dated_by_neighbours(_said(messages, room, order, left_out))


def _said(
    messages: Iterable[_Message], room: Room, order: str, left_out: LeftOut
) -> Iterator[Turn]:
    for message in messages:
        reason = _silence(message)
        if reason:
            left_out[reason] += 1
        else:
            said_at = _moment(message, order)
            text = clean(without_files(message.text))
            yield room.turn(text, author=message.author, said_at=said_at)


def _title(stem: str, path: Path) -> str:
    """Return the name of the chat, which the file has in the language of the phone."""
    name = path.parent.name if stem == "_chat" else stem
    name = re.sub(r" ?\(\d+\)$", "", name)  # a second download of the same
    found = re.fullmatch(
        r"(?:WhatsApp[ -]Chat|Chat de WhatsApp|Conversa do WhatsApp|Discussion WhatsApp"
        r"|Chat WhatsApp|WhatsApp-chat)(?: (?:with|mit|con|com|avec|met|-))?[ _]+(.+)",
        name,
        re.I,
    )
    return clean(found[1] if found else name)


def _messages(text: str, left_out: LeftOut) -> Iterator[_Message]:
    head: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        stamp = _STAMP.match(line)
        if stamp is None:
            lines.append(line)
            continue
        yield from _finished(head, lines, left_out)
        head, lines = stamp, [line[stamp.end() :]]
    yield from _finished(head, lines, left_out)


def _finished(
    head: re.Match[str] | None, lines: list[str], left_out: LeftOut
) -> Iterator[_Message]:
    if head is None:
        return
    said = _SPEAKER.match("\n".join(lines))
    if said is None or is_sentence(said["author"]):
        left_out["message of WhatsApp's own"] += 1
        return
    date = (_digits(head["a"]), _digits(head["b"]), _digits(head["c"]))
    american = len(date[2]) == 2 and "/" in head[0] and head["half"] in ("AM", "PM")
    yield _Message(date, _clock(head), american, _name(said["author"]), said["text"] or "")


def _name(author: str) -> str:
    """Return a speaker's name without the tilde of people who are in no address book."""
    return clean(author).removeprefix("~").strip()


def _digits(text: str) -> str:
    return "".join(str(int(sign)) for sign in text)  # Arabic and Persian digits too


def _clock(head: re.Match[str]) -> tuple[int, int, int]:
    hour, half = int(head["hour"]), (head["half"] or head["before"] or "").lower()
    afternoon = half.startswith("p") or half in AFTERNOON or (half in NOON and hour < 11)
    if half and hour < 12 + (half not in NOON):
        hour = hour % 12 + 12 * afternoon
    return hour, int(head["minute"]), int(head["second"] or 0)


def _silence(message: _Message) -> str:
    if not clean(message.text):
        return "message without text"
    if is_deleted(clean(message.text)):
        return "message that was deleted"
    if not clean(without_files(message.text)):
        return "attachment"
    return "message of WhatsApp's own" if is_notice(message.text) else ""


def _order(dates: list[tuple[str, str, str]], *, american: bool) -> str:
    """Return in which order day, month and year stand in the dates: "dmy", "mdy", "ymd", "ydm"."""
    if any(len(a) == 4 for a, _, _ in dates):
        likely = ["ymd", "ydm"]
    elif american:
        likely = ["mdy", "dmy", "ymd", "ydm"]
    else:
        likely = ["dmy", "mdy", "ymd", "ydm"]
    possible = [order for order in likely if _fits(dates, order)]
    rising = [order for order in possible if _rises(dates, order)]
    return (rising or possible or likely)[0]


def _fits(dates: list[tuple[str, str, str]], order: str) -> bool:
    return all(_day(date, order) is not None for date in set(dates))


def _rises(dates: list[tuple[str, str, str]], order: str) -> bool:
    days = [_day(date, order) for date in dict.fromkeys(dates)]
    known = [day for day in days if day is not None]
    return known == sorted(known)


def _day(date: tuple[str, str, str], order: str) -> tuple[int, int, int] | None:
    """Return year, month, day; None where such a day does not exist."""
    number = dict(zip(order, map(int, date), strict=True))
    year = number["y"] + (2000 if number["y"] < 100 else 0)
    if 2009 + _BUDDHIST <= year <= 2100 + _BUDDHIST:
        year -= _BUDDHIST
    if 1387 <= year <= 1472:
        return _persian(year, number["m"], number["d"])
    if not 2009 <= year <= 2100:  # WhatsApp began in 2009
        return None
    try:
        datetime(year, number["m"], number["d"])  # noqa: DTZ001  only the calendar is asked
    except ValueError:
        return None
    return year, number["m"], number["d"]


def _persian(year: int, month: int, day: int) -> tuple[int, int, int] | None:
    """Return the Gregorian day of one of the Solar Hijri calendar; None if there is none."""
    if not 1 <= month <= 12:
        return None
    length = 31 if month <= 6 else 30 if month < 12 or year % 33 in _PERSIAN_LEAP else 29
    if not 1 <= day <= length:
        return None
    first, last = sorted((year, _PERSIAN))
    leaps = sum(one % 33 in _PERSIAN_LEAP for one in range(first, last))
    days = 365 * (year - _PERSIAN) + (leaps if year > _PERSIAN else -leaps)
    days += 30 * (month - 1) + min(month - 1, 6) + day - 1
    found = _NOWRUZ + timedelta(days)
    return found.year, found.month, found.day


def _moment(message: _Message, order: str) -> datetime | None:
    """Return when it was written: the file has the phone's local time, and no zone."""
    day = _day(message.date, order)
    try:
        return None if day is None else datetime(*day, *message.clock).astimezone()
    except (ValueError, OverflowError):
        return None


FORMAT = Format(
    name="whatsapp",
    suffixes=(".zip", ".txt"),
    matches=_matches,
    read=_read,
    version=4,
    about="WhatsApp chats: _chat.txt, WhatsApp Chat with ….txt, or the zip",
    appends=True,
)
