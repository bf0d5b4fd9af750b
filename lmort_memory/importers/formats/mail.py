"""Mail: mbox files (Thunderbird, Gmail Takeout, Apple Mail) and single .eml messages.

A message is one source under its Message-ID, so that a letter in two mailboxes is stored once; the
letters of a thread are one session. What is quoted from the letter before, signatures, attachments
and Gmail's spam and trash are left out. An mbox is read letter by letter, whatever its size.
"""

from __future__ import annotations

import email.policy
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path

from lmort_memory.importers.format import MAX_TEXT_BYTES, Format, LeftOut
from lmort_memory.importers.html import html_text
from lmort_memory.importers.messages import clean
from lmort_memory.importers.split import pieces
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

# "From ada@example.org Mon Jan  1 09:00:00 2024", as every writer of mailboxes has it.
_FROM = re.compile(rb"From \S+ .*\d{1,2}:\d{2}.*\d{4}\s*$")
_ESCAPED = re.compile(rb"^>(>*From )", re.M)
_HEADER = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*:[^\n]*\n(?:[ \t][^\n]*\n)*)+")
_NEEDED = re.compile(rb"^(?:From|Date|Subject|Message-ID|Received|To):", re.I | re.M)
_ID = re.compile(r"<([^<>\s]+)>")
_INTRODUCED = re.compile(
    r"(?:On|Am|Le|El|Il|Em|Op|Den|På) .{6,200}"
    r"(?:wrote|schrieb[^\n:]{0,80}|a écrit|escribió|ha scritto|escreveu|schreef[^\n:]{0,80}|skrev"
    r"[^\n:]{0,80})\s?:\s*\Z",
    re.S,
)
_FORWARDED = re.compile(r"-{2,}\s?(?:Original Message|Ursprüngliche Nachricht|Message d'origine)")


def _matches(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(16 * 1024).replace(b"\r\n", b"\n").lstrip(b"\n")
    if path.suffix.lower() == ".eml":
        headers = _HEADER.match(head.removeprefix(b"\xef\xbb\xbf"))
        return headers is not None and len(_NEEDED.findall(headers[0])) > 1
    first, _, rest = head.partition(b"\n")
    headers = _HEADER.match(rest.lstrip(b">"))
    return bool(_FROM.match(first)) and headers is not None and bool(_NEEDED.search(headers[0]))


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    letters = [path.read_bytes()] if path.suffix.lower() == ".eml" else _letters(path, left_out)
    parser = BytesParser(policy=email.policy.default)
    for number, data in enumerate(letters):
        letter = parser.parsebytes(data)
        if isinstance(letter, EmailMessage):
            yield from _turns(letter, f"{path.stem}/{number}", left_out)


def _letters(path: Path, left_out: LeftOut) -> Iterator[bytes]:
    """Yield the letters of an mbox: a line "From …" after an empty one begins the next."""
    lines: list[bytes] = []
    size, after_empty = 0, True
    with path.open("rb") as stream:
        while line := stream.readline(MAX_TEXT_BYTES):
            if after_empty and _FROM.match(line):
                if lines:
                    yield _ESCAPED.sub(rb"\1", b"".join(lines))
                lines, size = [], 0
            elif size <= MAX_TEXT_BYTES:
                lines.append(line)
                size += len(line)
                left_out["end of a letter that is too long"] += size > MAX_TEXT_BYTES
            after_empty = not line.strip()
    if lines:
        yield _ESCAPED.sub(rb"\1", b"".join(lines))


def _turns(letter: EmailMessage, fallback: str, left_out: LeftOut) -> Iterator[Turn]:
    labels = _header(letter, "X-Gmail-Labels").split(",")
    if {"Spam", "Trash"} & {label.strip() for label in labels}:
        left_out["letter in spam or trash"] += 1
        return
    body = _body(letter, left_out)
    if not body:
        left_out["letter without text"] += 1
        return
    own = _ID.search(_header(letter, "Message-ID"))
    uri = f"mail:{own[1] if own else fallback}"
    subject = clean(_header(letter, "Subject"))
    author = _people(letter, "From")
    heading = f"{author}: {subject}" if subject else author
    for start, end in pieces(body, 0, len(body)):
        yield Turn(
            text=f"{heading}\n\n{body[start:end]}",
            role="message",
            session=f"mail:{_thread(letter, uri)}",
            created_at=_sent_at(letter),
            metadata=_metadata(letter, subject, author),
            source=Source(uri, start, end),
        )


def _metadata(letter: EmailMessage, subject: str, author: str) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {"format": "mail", "title": subject, "author": author}
    found["to"] = _people(letter, "To")
    found["labels"] = _header(letter, "X-Gmail-Labels")
    return {name: value for name, value in found.items() if value}


def _thread(letter: EmailMessage, uri: str) -> str:
    """Name the thread by its first letter."""
    known = _ID.findall(_header(letter, "References")) or _ID.findall(
        _header(letter, "In-Reply-To")
    )
    return str(known[0]) if known else uri.removeprefix("mail:")


def _header(letter: EmailMessage, name: str) -> str:
    """Return a header as text. What no standard allows, and people's mail has, is kept raw."""
    try:
        value = letter[name]
    except (ValueError, IndexError, AttributeError, LookupError, TypeError):
        value = next((raw for key, raw in letter.raw_items() if key.lower() == name.lower()), "")
    text = "" if value is None else str(value)
    return " ".join(text.encode("utf-8", "replace").decode("utf-8", "replace").split())


def _people(letter: EmailMessage, name: str) -> str:
    """Return names, or addresses of those who have none."""
    from email.utils import getaddresses

    pairs = getaddresses([_header(letter, name)])
    return ", ".join(who or address for who, address in pairs if who or address)


def _sent_at(letter: EmailMessage) -> datetime | None:
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        return parsedate_to_datetime(_header(letter, "Date")).astimezone()
    return None


def _body(letter: EmailMessage, left_out: LeftOut) -> str:
    """Return what the author wrote: the plain form of the letter, else its HTML."""
    part = letter.get_body(preferencelist=("plain", "html"))
    left_out["attachment"] += sum(1 for _ in letter.iter_attachments())
    if part is None:
        return ""
    text = _decoded(part)
    if part.get_content_subtype() == "html":
        text = html_text(text)
    return _own_words(text.replace("\r\n", "\n"), left_out)


def _decoded(part: MIMEPart) -> str:
    try:
        return str(part.get_content())
    except (LookupError, KeyError, ValueError, AssertionError):  # an unknown charset
        data = part.get_payload(decode=True)
        return data.decode("utf-8", "replace") if isinstance(data, bytes) else ""


def _own_words(text: str, left_out: LeftOut) -> str:
    """Cut off what is quoted, with the line that introduces it, and the signature."""
    text = re.split(r"^-- ?\n", text, maxsplit=1, flags=re.M)[0]
    before, *quoted = _FORWARDED.split(text, maxsplit=1)
    if quoted and before.strip():  # else the whole letter is what was passed on
        left_out["quoted passage"] += 1
        text = before
    kept: list[str] = []
    quoting = False
    for line in text.split("\n"):
        if line.startswith(">"):
            if not quoting:
                left_out["quoted passage"] += 1
                kept = _without_introduction(kept)
            quoting = True
        else:
            quoting = quoting and not line.strip()
            kept.append(line)
    return clean("\n".join(kept))


def _without_introduction(lines: list[str]) -> list[str]:
    """Drop "On Monday, Ada wrote:", which may be broken over three lines."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    for first in range(end - 1, max(end - 4, -1), -1):
        if _INTRODUCED.match("\n".join(lines[first:end]).strip()):
            return lines[:first]
    return lines


FORMAT = Format(
    name="mail",
    suffixes=(".mbox", ".eml", ".mbx", ""),
    matches=_matches,
    read=_read,
    about="mail: mbox files, with or without a suffix, and .eml messages",
    appends=True,
)
