"""What the author of a letter wrote, without quotations, their introductions, and the signature."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lmort_memory.importers.format import LeftOut
from lmort_memory.importers.messages import clean

__all__ = ["all_words", "own_words"]

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
_QUOTED = re.compile(r"^(?:> ?)+", re.M)
_SIGNATURE = re.compile(r"^-- \n|^--\n(?=(?:.*\n){0,7}.*\n?\Z)", re.M)
_ENCRYPTED = re.compile(r"-----BEGIN PGP MESSAGE-----.*?(?:-----END PGP MESSAGE-----|\Z)", re.S)
_SIGNED = re.compile(
    r"-----BEGIN PGP SIGNED MESSAGE-----\n(?:[^\n]+\n)*\n|-----BEGIN PGP SIGNATURE-----.*", re.S
)


def own_words(text: str, left_out: LeftOut) -> str:
    """Cut off what is quoted, with the line that introduces it, and the signature."""
    text = _SIGNATURE.split(_plain(text, left_out), maxsplit=1)[0]
    for find in (_PASSED_ON.search, _head_in):  # the second in what the first has left
        found = find(text)
        before = clean(text[: found.start()]) if found else ""
        if found and before and not _FORWARDED.search(before):
            left_out["quoted passage"] += 1
            text = text[: found.start()]
    return clean("\n".join(_not_quoted(text.split("\n"), left_out)))


def all_words(text: str, left_out: LeftOut) -> str:
    """Keep the quotation of a letter that is passed on: it is what its sender wanted to say."""
    return clean(_QUOTED.sub("", _plain(text, left_out)))


def _plain(text: str, left_out: LeftOut) -> str:
    """Return the text without what PGP put in or around it."""
    text, encrypted = _ENCRYPTED.subn("", text)
    left_out["encrypted passage"] += encrypted
    return _SIGNED.sub("", text)


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
