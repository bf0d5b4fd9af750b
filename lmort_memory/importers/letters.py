"""What the author of a letter wrote: the text of its parts, without what is quoted, and signatures.

Mail is decoded leniently, since a third of the world's mailers never read the standards: a charset
that is missing, unknown or wrong costs no letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email.message import EmailMessage, MIMEPart

from lmort_memory.importers.format import LeftOut
from lmort_memory.importers.html import html_text
from lmort_memory.importers.messages import clean

__all__ = ["body_of", "own_words"]

# Names that mailers use for a charset or a part of it, and what decodes the whole, as browsers do.
_WIDER = {
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "iso-8859-8-i": "iso-8859-8",
    "unicode-1-1-utf-7": "utf-7",
    "utf8mb4": "utf-8",
}
_INTRODUCED = re.compile(
    r"(?:On|Am|Le|El|Il|Em|Op|Den|På) .{6,200}"
    r"(?:wrote|schrieb[^\n:]{0,80}|a écrit|escribió|ha scritto|escreveu|schreef[^\n:]{0,80}|skrev"
    r"[^\n:]{0,80})\s?:\s*\Z",
    re.S,
)
_DATED = re.compile(r"@|\d:\d\d|\b(?:19|20)\d\d\b")
_PASSED_ON = re.compile(
    r"(?<!-)-{2,}+\s?(?:Original Message|Ursprüngliche Nachricht|Message d'origine)"
)
# The line above a letter that was passed on, which is what its sender wanted to say.
_FORWARDED = re.compile(
    r"(?:forwarded|weitergeleitet|transféré|reenviado|inoltrato|doorgestuurd|encaminhad|vidarebefo"
    r"|转发|轉寄)[^\n]*\Z",
    re.I,
)
# What programs put before the subject of a letter that is passed on; "AW: WG:" answers one.
_PASSED_ON_SUBJECT = re.compile(
    r"\s*(?:fwd?|wg|tr|rv|enc|i|pd|vb|vl|doorst(?:uren)?|转发|轉寄)\s*[:：]",  # noqa: RUF001
    re.I,
)
# "From: Berlin", "To: Prague" heads no letter: that has an address, a clock, or when it was sent.
_ADDRESSED = re.compile(
    r"@|\d:\d\d|^[ \t>*]*(?:sent|gesendet|envoyé|enviad[oa]|inviato|verzonden|skickat|sendt"
    r"|lähetetty|wysłano|subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|aihe"
    r"|temat)\b",
    re.I | re.M,
)
# The head that Outlook and others put above the letter that is answered, in the reader's language.
_HEAD = re.compile(
    r"(?:^[ \t>]*+(?:_{8,}+|-{8,}+)?[ \t]*+\n{1,4}+)?"
    r"^[ \t]*+\*?(?:From|Von|De|Da|Van|Från|Fra|Lähettäjä|Od|Feladó|Kimden|Från|От|Від"
    r"|差出人|发件人|寄件者|보낸 사람)\*?[ \u00a0]?[:：].+\n+"  # noqa: RUF001  a wide colon
    r"(?:^[ \t]*\*?[^\s:：*][^:：\n*]{0,20}\*?[ \u00a0]?[:：].+(?:\n+|\Z)){2}",  # noqa: RUF001
    re.M,
)
# A plain form of so many characters may be but a notice that the letter is to be read as HTML.
_LONGEST_NOTICE = 500
_MUCH_LONGER = 3  # times
_NAMES_HTML = re.compile(r"\bhtml\b", re.I)
_NOT_SAID = re.compile(r"https?://\S+|[\W_]+")  # what the two forms of a letter differ in
_COMPARED = 12  # characters at a time
_QUOTED = re.compile(r"^(?:> ?)+", re.M)
_SIGNATURE = re.compile(r"^-- \n|^--\n(?=(?:.*\n){0,7}.*\n?\Z)", re.M)
_ENCRYPTED = re.compile(r"-----BEGIN PGP MESSAGE-----.*?(?:-----END PGP MESSAGE-----|\Z)", re.S)
_SIGNED = re.compile(
    r"-----BEGIN PGP SIGNED MESSAGE-----\n(?:[^\n]+\n)*\n|-----BEGIN PGP SIGNATURE-----.*", re.S
)


def body_of(letter: EmailMessage, left_out: LeftOut, *, subject: str) -> str:
    """Return what the author wrote, "" where that is nothing but attachments."""
    passed_on = _PASSED_ON_SUBJECT.match(subject) is not None
    return "\n\n".join(_parts(letter, left_out, passed_on=passed_on))


def _parts(part: MIMEPart, left_out: LeftOut, *, passed_on: bool) -> Iterator[str]:
    """Yield the texts of a part: of alternatives one, of a mixture all."""
    kind = part.get_content_type()
    if not part.is_multipart() or kind == "message/rfc822":
        yield from _text(part, left_out, passed_on=passed_on)
        return
    inside = [one for one in part.iter_parts() if isinstance(one, MIMEPart)]
    if kind == "multipart/alternative":
        yield from _best(inside, left_out, passed_on=passed_on)
    elif kind == "multipart/encrypted":
        left_out["encrypted passage"] += 1
    elif kind == "multipart/signed":
        yield from _parts(inside[0], left_out, passed_on=passed_on) if inside else ()
    else:
        for one in inside:
            yield from _parts(one, left_out, passed_on=passed_on)


def _best(inside: list[MIMEPart], left_out: LeftOut, *, passed_on: bool) -> Iterator[str]:
    """Yield the plain form if it says anything but that there is another, else that one."""
    plain = [one for one in inside if one.get_content_type() == "text/plain"]
    others = [one for one in inside if one not in plain]
    texts, counted = _first(plain, passed_on=passed_on)
    if sum(map(len, texts)) <= _LONGEST_NOTICE:  # a longer one is a letter: no other is parsed
        richer, also_counted = _first(others, passed_on=passed_on)
        if not texts or _is_notice("\n".join(texts), "\n".join(richer)):
            texts, counted = richer, also_counted
    left_out.update(counted)
    yield from texts


def _first(inside: list[MIMEPart], *, passed_on: bool) -> tuple[list[str], LeftOut]:
    """Return the texts of the first part that has any, and what was left out of it."""
    for one in inside:
        counted = LeftOut()
        if texts := list(_parts(one, counted, passed_on=passed_on)):
            return texts, counted
    return [], LeftOut()


def _is_notice(plain: str, richer: str) -> bool:
    """Whether the plain form only sends its reader to the other: "Please view this as HTML".

    It is one where the other says much more, or it speaks of HTML, and most of it is not there.
    """
    said, there = (_NOT_SAID.sub("", text.casefold()) for text in (plain, richer))
    much_more = len(there) >= _MUCH_LONGER * len(said) or _NAMES_HTML.search(plain) is not None
    if not (said and there and much_more):
        return False
    pieces = [said[start : start + _COMPARED] for start in range(0, len(said), _COMPARED)]
    return 2 * sum(piece in there for piece in pieces) < len(pieces)


def _text(part: MIMEPart, left_out: LeftOut, *, passed_on: bool) -> Iterator[str]:
    kind = part.get_content_type()
    named = part.get_filename() is not None
    broken = part.get_content_maintype() == "multipart"  # its parts are not to be found
    if part.is_attachment() or named or not (broken or kind in ("text/plain", "text/html")):
        left_out["attachment"] += 1
        return
    text = _decoded(part).replace("\r\n", "\n").replace("\r", "\n").rstrip("\0")
    if kind == "text/html":
        text = html_text(text)
    elif str(part.get_param("format", "")).lower() == "flowed":
        text = _unfolded(text, joined=str(part.get_param("delsp", "")).lower() == "yes")
    if said := own_words(text, left_out, passed_on=passed_on):
        yield said


def _decoded(part: MIMEPart) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    declared = (part.get_content_charset() or "utf-8").strip("'\" ")
    for charset in dict.fromkeys((_WIDER.get(declared, declared), "utf-8")):
        try:
            return data.decode(charset)
        except (LookupError, ValueError):
            continue
    return data.decode("cp1252", "replace")


def _unfolded(text: str, *, joined: bool) -> str:
    """Join the lines of text that a mailer has broken (RFC 3676): those that end in a space."""
    lines: list[str] = []
    goes_on, depth = False, 0
    for line in text.split("\n"):
        quoted = len(line) - len(line.lstrip(">"))
        said = line[quoted:].removeprefix(" ")
        if goes_on and quoted == depth and said != "-- ":
            lines[-1] += said
        else:
            lines.append(f"{'>' * quoted} {said}" if quoted else said)
        goes_on, depth = said.endswith(" ") and said != "-- ", quoted
        if goes_on and joined:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def own_words(text: str, left_out: LeftOut, *, passed_on: bool = False) -> str:
    """Cut off what is quoted, with the line that introduces it, and the signature.

    Of a letter that is passed on, all stays: what its sender wanted to say stands in the quotation.
    """
    text, encrypted = _ENCRYPTED.subn("", text)
    left_out["encrypted passage"] += encrypted
    text = _SIGNED.sub("", text)
    if passed_on:
        return clean(_QUOTED.sub("", text))
    text = _SIGNATURE.split(text, maxsplit=1)[0]
    for find in (_PASSED_ON.search, _head_in):  # the second in what the first has left
        found = find(text)
        before = clean(text[: found.start()]) if found else ""
        if found and before and not _FORWARDED.search(before):
            left_out["quoted passage"] += 1
            text = text[: found.start()]
    return clean("\n".join(_not_quoted(text.split("\n"), left_out)))


def _head_in(text: str) -> re.Match[str] | None:
    return next((one for one in _HEAD.finditer(text) if _ADDRESSED.search(one[0])), None)


def _not_quoted(lines: Iterable[str], left_out: LeftOut) -> list[str]:
    """Return the lines without quotations, but with one that is said to be forwarded."""
    kept: list[str] = []
    quoting = forwarded = False
    for line in lines:
        if line.startswith(">"):
            if not quoting:
                forwarded = _FORWARDED.search(_last(kept)) is not None
                left_out["quoted passage"] += not forwarded
                kept = kept if forwarded else _without_introduction(kept)
            quoting = True
            if forwarded:
                kept.append(_QUOTED.sub("", line))
        else:
            quoting = quoting and not line.strip()
            kept.append(line)
    return kept


def _last(lines: list[str]) -> str:
    """Return the last line that says anything."""
    return next((line.rstrip() for line in reversed(lines) if line.strip()), "")


def _without_introduction(lines: list[str]) -> list[str]:
    """Drop "On Monday, Ada wrote:", which may be broken over three lines, in any language."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    first = end
    while first and lines[first - 1].strip():
        first -= 1
    said = "\n".join(lines[first:end]).strip()
    if end - first <= 3 and said.endswith((":", "：")) and _DATED.search(said):  # noqa: RUF001
        return lines[:first]
    for first in range(end - 1, max(end - 4, -1), -1):
        if _INTRODUCED.match("\n".join(lines[first:end]).strip()):
            return lines[:first]
    return lines
