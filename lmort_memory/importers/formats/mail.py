"""Mail: mbox files (Thunderbird, Gmail Takeout, Apple Mail) and single .eml messages.

A message is one source under its Message-ID, so that a letter in two mailboxes is stored once; the
letters of a thread are one session. What is quoted from the letter before, signatures, attachments
and Gmail's spam and trash are left out. An mbox is read letter by letter, whatever its size.
"""

from __future__ import annotations

import codecs
import email.policy
import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path

from lmort_memory.importers.format import MAX_TEXT_BYTES, Format, LeftOut
from lmort_memory.importers.letters import body_of
from lmort_memory.importers.messages import clean
from lmort_memory.importers.split import pieces
from lmort_memory.importers.times import from_iso
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

# "From ada@example.org Mon Jan  1 09:00:00 2024", as every writer of mailboxes has it.
_FROM = re.compile(rb"From \S+ .*\d{1,2}:\d{2}.*\d{4}\s*$")
_ESCAPED = re.compile(rb"^>(>*From )", re.M)
_HEADER = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*:[^\n]*\n(?:[ \t][^\n]*\n)*)+")
# A boundary with "=" in it is to be quoted, and is not by all: "----" would be taken for it.
_BARE_BOUNDARY = re.compile(
    rb"^(content-type:[^\n]*(?:\n[ \t][^\n]*)*?\bboundary=)([^\s\";]+)", re.I | re.M
)
_NEEDED = re.compile(rb"^(?:From|Date|Subject|Message-ID|Received|To):", re.I | re.M)
_ALONE = (".eml", ".emlx")
_HEAD_BYTES = 16 * 1024  # by which a file is known
_COUNT = re.compile(rb"\d{1,9}[ \t]*\n")
# What a mail server writes above a letter, with a date or without one; "From :" is a header.
_ENVELOPE = re.compile(rb">?From (?!\s*:)[^\n]*\n")
_ID = re.compile(r"<([^<>\s]+)>")
_DELETED = 0x0008  # in X-Mozilla-Status: Thunderbird keeps such letters until it compacts the file


def _matches(path: Path) -> bool:
    with path.open("rb") as stream:
        head = _begun(stream.read(_HEAD_BYTES).replace(b"\r\n", b"\n"))
    if path.suffix.lower() in _ALONE:
        above = _COUNT.match(head) or _ENVELOPE.match(head)
        headers = _HEADER.match(head, above.end() if above else 0)
        return headers is not None and len(_NEEDED.findall(headers[0])) > 1
    first, _, rest = head.partition(b"\n")
    headers = _HEADER.match(rest.lstrip(b">"))
    return bool(_FROM.match(first)) and headers is not None and bool(_NEEDED.search(headers[0]))


def _begun(data: bytes) -> bytes:
    """Return a file's bytes from its first sign on."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    letters = [(b"", _alone(path))] if _is_alone(path) else _letters(path, left_out)
    parser = BytesParser(policy=email.policy.default)
    for line, data in letters:
        letter = parser.parsebytes(_readable(data))
        if isinstance(letter, EmailMessage):
            letter.set_unixfrom(line.decode("ascii", "replace"))
            yield from _turns(letter, _digest(data), left_out)


def _is_alone(path: Path) -> bool:
    """Whether a file has one letter: below the line of a mailbox, others may follow."""
    if path.suffix.lower() not in _ALONE:
        return False
    with path.open("rb") as stream:
        first, _, _ = _begun(stream.read(_HEAD_BYTES)).partition(b"\n")
    return _FROM.match(first) is None


def _alone(path: Path) -> bytes:
    """Return the letter of a file that has one; Apple writes its size first, and more behind."""
    data = _begun(path.read_bytes())
    if size := _COUNT.match(data):
        return data[size.end() :][: int(size[0])]
    above = _ENVELOPE.match(data)
    return data[above.end() if above else 0 :].rstrip(b"\0")


def _readable(data: bytes) -> bytes:
    """Return the letter with its boundary in quotation marks."""
    headers = _HEADER.match(data)
    end = headers.end() if headers else 0
    return _BARE_BOUNDARY.sub(rb'\1"\2"', data[:end], count=1) + data[end:]


def _digest(data: bytes) -> str:
    """Name a letter that has no Message-ID by its content, so that it stays the same one."""
    return hashlib.sha256(data.strip()).hexdigest()[:32]


def _letters(path: Path, left_out: LeftOut) -> Iterator[tuple[bytes, bytes]]:
    """Yield the letters of an mbox, each after its line "From …", before which one is empty."""
    lines: list[bytes] = []
    size, after_empty, begun_by = 0, True, b""
    with path.open("rb") as stream:
        stream.seek(len(codecs.BOM_UTF8) * (stream.read(3) == codecs.BOM_UTF8))
        while line := stream.readline(MAX_TEXT_BYTES):
            if after_empty and _FROM.match(line):
                if lines:
                    yield begun_by, _ESCAPED.sub(rb"\1", b"".join(lines))
                lines, size, begun_by = [], 0, line
            elif size <= MAX_TEXT_BYTES:
                lines.append(line)
                size += len(line)
                left_out["end of a letter that is too long"] += size > MAX_TEXT_BYTES
            after_empty = not line.strip()
    if lines:
        yield begun_by, _ESCAPED.sub(rb"\1", b"".join(lines))


def _turns(letter: EmailMessage, fallback: str, left_out: LeftOut) -> Iterator[Turn]:
    labels = _header(letter, "X-Gmail-Labels").split(",")
    if {"Spam", "Trash"} & {label.strip() for label in labels}:
        left_out["letter in spam or trash"] += 1
        return
    if _is_deleted(letter):
        left_out["letter that was deleted"] += 1
        return
    subject = clean(_header(letter, "Subject"))
    body = body_of(letter, left_out, subject=subject)
    if not body:
        left_out["letter without text"] += 1
        return
    own = _ID.search(_header(letter, "Message-ID"))
    uri = f"mail:{own[1] if own else fallback}"
    author = _people(letter, "From")
    heading = f"{author}: {subject}" if subject else author
    session, sent_at = f"mail:{_thread(letter, uri)}", _sent_at(letter)
    metadata = _metadata(letter, subject, author)  # once: a header may take seconds to parse
    for start, end in pieces(body, 0, len(body)):
        yield Turn(
            text=f"{heading}\n\n{body[start:end]}",
            role="message",
            session=session,
            created_at=sent_at,
            metadata=metadata,
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
    raw = next((value for key, value in letter.raw_items() if key.lower() == name.lower()), "")
    try:
        value = letter[name] if raw.isprintable() or raw.isascii() else _decoded(raw)
    except (ValueError, IndexError, AttributeError, LookupError, TypeError):
        value = raw
    text = "" if value is None else str(value)
    return " ".join(text.encode("utf-8", "replace").decode("utf-8", "replace").split())


def _decoded(raw: str) -> str:
    """Decode a header that was written without a word of its charset."""
    data = raw.encode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _people(letter: EmailMessage, name: str) -> str:
    """Return names, or addresses of those who have none."""
    from email.utils import getaddresses

    pairs = getaddresses([_header(letter, name)])
    return ", ".join(who or address for who, address in pairs if who or address)


def _is_deleted(letter: EmailMessage) -> bool:
    with suppress(ValueError):
        return bool(int(_header(letter, "X-Mozilla-Status"), 16) & _DELETED)
    return False


def _sent_at(letter: EmailMessage) -> datetime | None:
    """Return the date that the author's mailer wrote, else that of the last server on the way."""
    received = _header(letter, "Received").rpartition(";")[2]
    for text in (_header(letter, "Date"), received):
        with suppress(ValueError, TypeError, IndexError, OverflowError):
            when = parsedate_to_datetime(text.replace("-0000", "+0000"))
            return when.astimezone()
        if (written := from_iso(text)) is not None:  # as programs that write letters do
            return written
    return _stored_at(letter.get_unixfrom() or "")


def _stored_at(line: str) -> datetime | None:
    """Return the date of the line "From …" above a letter in an mbox: UTC, if it names no zone."""
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        when = parsedate_to_datetime(line.split(None, 2)[2])
        return when if when.tzinfo else when.replace(tzinfo=UTC)
    return None


FORMAT = Format(
    name="mail",
    suffixes=(".mbox", ".eml", ".emlx", ".mbx", ""),
    matches=_matches,
    read=_read,
    version=4,
    about="mail: mbox files, with or without a suffix, .eml and .emlx messages",
    appends=True,
)
