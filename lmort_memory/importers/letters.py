"""The text of a letter: which of its parts are read, and how they are decoded.

Mail is decoded leniently, since a third of the world's mailers never read the standards: a charset
that is missing, unknown or wrong costs no letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage, MIMEPart

from lmort_memory.importers.format import LeftOut
from lmort_memory.importers.html import html_text
from lmort_memory.importers.quotations import all_words, own_words

__all__ = ["body_of"]

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
# What programs put before the subject of a letter that is passed on; "AW: WG:" answers one.
_PASSED_ON_SUBJECT = re.compile(
    r"\s*(?:fwd?|wg|tr|rv|enc|i|pd|vb|vl|doorst(?:uren)?|转发|轉寄)\s*[:：]",  # noqa: RUF001
    re.I,
)
# A plain form of so many characters may be but a notice that the letter is to be read as HTML.
_LONGEST_NOTICE = 500
_MUCH_LONGER = 3  # times
_NAMES_HTML = re.compile(r"\bhtml\b", re.I)
_NOT_SAID = re.compile(r"https?://\S+|[\W_]+")  # what the two forms of a letter differ in
_COMPARED = 12  # characters at a time


def body_of(letter: EmailMessage, left_out: LeftOut, *, subject: str) -> str:
    """Return what the author wrote, "" where that is nothing but attachments."""
    words_of = all_words if _PASSED_ON_SUBJECT.match(subject) else own_words
    return "\n\n".join(_Body(words_of).texts(letter, left_out))


@dataclass(frozen=True, slots=True)
class _Body:
    """Finds the parts of a letter that are to be read.

    Attributes:
        words_of: Returns what is kept of the text of a part.
    """

    words_of: Callable[[str, LeftOut], str]

    def texts(self, part: MIMEPart, left_out: LeftOut) -> Iterator[str]:
        """Yield the texts of a part: of alternatives one, of a mixture all."""
        kind = part.get_content_type()
        if not part.is_multipart() or kind == "message/rfc822":
            yield from self._text(part, left_out)
            return
        inside = [one for one in part.iter_parts() if isinstance(one, MIMEPart)]
        if kind == "multipart/alternative":
            yield from self._best(inside, left_out)
        elif kind == "multipart/encrypted":
            left_out["encrypted passage"] += 1
        elif kind == "multipart/signed":
            yield from self.texts(inside[0], left_out) if inside else ()
        else:
            for one in inside:
                yield from self.texts(one, left_out)

    def _best(self, inside: list[MIMEPart], left_out: LeftOut) -> Iterator[str]:
        """Yield the plain form if it says anything but that there is another, else that one."""
        plain = [one for one in inside if one.get_content_type() == "text/plain"]
        others = [one for one in inside if one not in plain]
        texts, counted = self._first(plain)
        if sum(map(len, texts)) <= _LONGEST_NOTICE:  # a longer one is a letter: no other is parsed
            richer, also_counted = self._first(others)
            if not texts or _is_notice("\n".join(texts), "\n".join(richer)):
                texts, counted = richer, also_counted
        left_out.update(counted)
        yield from texts

    def _first(self, inside: list[MIMEPart]) -> tuple[list[str], LeftOut]:
        """Return the texts of the first part that has any, and what was left out of it."""
        for one in inside:
            counted = LeftOut()
            if texts := list(self.texts(one, counted)):
                return texts, counted
        return [], LeftOut()

    def _text(self, part: MIMEPart, left_out: LeftOut) -> Iterator[str]:
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
        if said := self.words_of(text, left_out):
            yield said


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
