"""What of a Markdown note is language: comments, drawings, inline data and queries are not."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lmort_memory.types import JsonValue

__all__ = [
    "Cut",
    "drawing_start",
    "is_language",
    "is_template",
    "masked",
    "not_language",
    "queries",
    "without",
]

_QUERIES = frozenset(
    """base button compressed-json datacorejs dataview dataviewjs excalidraw kanban meta-bind
    meta-bind-button meta-bind-js-view query tasks tracker""".split()  # noqa: SIM905
)
_DATA = re.compile(
    r"(?P<image>!\[(?P<alt>[^\]\n]*)\]\(\s*<?data:[^)\s>]*>?(?:\s+\"[^\"\n]*\")?\s*\))"
    r"|data:[\w.+-]+/[\w.+-]+(?:;[\w=.+-]+)*;base64,[A-Za-z0-9+/=_-]*"
    r"|(?<![\w+/=-])(?=[A-Za-z+/_-]*\d)[A-Za-z0-9+/_-]{256,}={0,2}"
)
_TAG = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
_DEFINITION = re.compile(r"^ {0,3}\[([^\]\n]{1,100})\]:[ \t]*<?data:\S*", re.MULTILINE)
_REFERENCE = re.compile(r"!\[[^\]\n]*\]\[([^\]\n]{1,100})\]")
# What Logseq writes below a block for itself: its name, whether it is folded, hours of work.
_OUTLINER = re.compile(
    r"^[ \t]*(?:- )?(?:id:: [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|collapsed:: (?:true|false)"
    r"|:LOGBOOK:[ \t]*\n(?:[ \t]*CLOCK:.*\n)*[ \t]*:END:)[ \t]*(?:\n|\Z)",
    re.MULTILINE,
)
_COMMENT = re.compile(r"^[ \t]*(`{3,}|~{3,})|(`+)|(%%)|(<!--)", re.MULTILINE)
_EMBED = re.compile(
    r"!\[\[[^\[\]\n]*\]\]|!\[(?P<alt>[^\]\n]*)\]\([^)\n]*\)|(?P<shortcode>\{\{[<%][^{}]*[>%]\}\})"
    r"|<[^<>\n]*>|\^[\w-]+$",
    re.M,
)
_CAPTION = re.compile(r"\b(?:caption|alt|title)=(?:\"([^\"]*)\"|`([^`]*)`)")  # of Hugo's figures
_WORD = re.compile(r"[^\W_]")
_DRAWING = re.compile(
    r"^(?:%%[ \t]*\n)?#{1,2} (?:Excalidraw Data|Text Elements|Drawing|Embedded Files)[ \t]*$", re.M
)
_NOTICE = re.compile(r"^==⚠.*⚠==.*$", re.MULTILINE)
_PLACEHOLDER = re.compile(
    r"<%[-_*+~]?[^%]{0,400}?\b(?:tp|moment|await)\b.{0,400}?%>"
    r"|\{\{\s*(?:date|time|title)(?:[:|+-][^{}\n]*)?\s*\}\}",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of a text, the characters [start, end), that is not language, and what it is."""

    start: int
    end: int
    reason: str


def not_language(text: str, start: int) -> list[Cut]:
    """Return the comments and the inline data of `text[start:]`, in order."""
    cuts = [*_comments(text, start), *_data(text, start)]
    found: list[Cut] = []
    for cut in sorted(cuts, key=lambda one: (one.start, -one.end)):
        if not found or cut.start >= found[-1].end:
            found.append(cut)
    return found


def queries(lines: Sequence[int], fences: Iterable[tuple[str, int, int]]) -> list[Cut]:
    """Return the blocks of code that a plugin draws; `lines` are the places where lines begin."""
    return [
        Cut(lines[first], lines[min(last, len(lines) - 1)], "query or drawing in a code block")
        for language, first, last in fences
        if language.strip("{}") in _QUERIES
    ]


def masked(text: str, cuts: Iterable[Cut]) -> str:
    """Return the text with spaces in place of the cuts, so that every other place stays."""
    parts, at = [], 0
    for cut in cuts:
        hidden = re.sub(r"[^\n]", " ", text[cut.start : cut.end])
        parts += [text[at : cut.start], hidden]
        at = cut.end
    return "".join([*parts, text[at:]])


def without(text: str, start: int, end: int, cuts: Iterable[Cut]) -> str:
    """Return `text[start:end]` without the cuts in it."""
    parts, at = [], start
    for cut in cuts:
        if cut.end <= start or cut.start >= end:
            continue
        parts.append(text[at : max(at, cut.start)])
        at = max(at, cut.end)
    if not parts:
        return text[start:end]
    rest = "".join([*parts, text[at:end]])
    return re.sub(r"\n[ \t]*\n(?:[ \t]*\n)+", "\n\n", rest).strip()


def is_language(text: str) -> bool:
    """Whether anything is said besides embeds and pictures."""
    return _WORD.search(_EMBED.sub(_description, text)) is not None


def _description(embed: re.Match[str]) -> str:
    """Return a picture's description where it is one, and not the name of a file."""
    captions = _CAPTION.findall(embed["shortcode"] or "")
    alt = embed["alt"] or " ".join(filter(None, itertools.chain(*captions)))
    return alt if len(alt.split()) > 1 and not re.fullmatch(r".*\.\w{2,5}", alt) else ""


def drawing_start(text: str, start: int) -> int:
    """Return where the data of an Excalidraw drawing begins, behind what is written above it."""
    found = _DRAWING.search(text, start)
    return found.start() if found else len(text)


def is_template(path: Path, text: str) -> bool:
    """Whether a note is one that others are made from.

    It holds placeholders outside of code, or lies in the folder that its vault has set for them.
    """
    if "<%" in text or "{{" in text:
        code = [Cut(start, end, "") for start, end in _code(text)]
        if _PLACEHOLDER.search(masked(text, code)):
            return True
    return any(path.is_relative_to(folder) for folder in _template_folders(path.parent))


@lru_cache(maxsize=4096)
def _template_folders(folder: Path) -> tuple[Path, ...]:
    settings = folder / ".obsidian"
    if not settings.is_dir():
        return () if folder.parent == folder else _template_folders(folder.parent)
    found = (
        _setting(settings / "templates.json", "folder"),
        _setting(settings / "plugins/templater-obsidian/data.json", "templates_folder"),
    )
    return tuple(folder / name for name in found if name)


def _setting(path: Path, key: str) -> str:
    try:
        value: JsonValue = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    name = value.get(key) if isinstance(value, dict) else None
    return name.strip("/") if isinstance(name, str) else ""


def _data(text: str, start: int) -> Iterator[Cut]:
    for found in _DATA.finditer(text, start):
        yield Cut(found.start(), found.end(), "inline data")
    for found in _TAG.finditer(text, start):
        if _DATA.search(found[0]):  # what is left of the tag would stand between two paragraphs
            yield Cut(found.start(), found.end(), "inline data")
    pictures: set[str] = set()
    for found in _DEFINITION.finditer(text, start):
        pictures.add(found[1])
        yield Cut(found.start(), found.end(), "inline data")
    for found in _REFERENCE.finditer(text, start) if pictures else ():
        if found[1] in pictures:
            yield Cut(found.start(), found.end(), "picture of inline data")
    for found in _OUTLINER.finditer(text, start):
        yield Cut(found.start(), found.end(), "property of Logseq's own")
    for found in _NOTICE.finditer(text, start):
        yield Cut(found.start(), found.end(), "notice of a drawing")


def _comments(text: str, start: int) -> Iterator[Cut]:
    for begin, end, kind in _marked(text, start):
        if kind == "comment":
            yield Cut(begin, end, "comment")


def _code(text: str) -> Iterator[tuple[int, int]]:
    return ((begin, end) for begin, end, kind in _marked(text, 0) if kind == "code")


def _marked(text: str, start: int) -> Iterator[tuple[int, int, str]]:
    """Yield code and comments: whichever begins first hides the other."""
    at, never = start, set[str]()  # signs of which no other one follows
    while found := _COMMENT.search(text, at):
        at = found.end()
        sign = found[found.lastindex or 0]
        closing = {"<!--": "-->"}.get(sign, sign)
        if sign in never:
            continue
        if found[1]:
            end = _end_of_fence(text, at, sign)
        elif found[2]:
            end = _end_of_code(text, at, sign)
        else:
            end = text.find(closing, at)
            if end < 0:
                never.add(sign)
                continue
            end += len(closing)
        if end > at:
            yield found.start(), end, "code" if found[1] or found[2] else "comment"
            at = end


def _end_of_fence(text: str, at: int, sign: str) -> int:
    close = re.compile(rf"^[ \t]*{re.escape(sign)}{re.escape(sign[0])}*[ \t]*$", re.MULTILINE)
    found = close.search(text, at)
    return found.end() if found else len(text)


def _end_of_code(text: str, at: int, sign: str) -> int:
    """Return the end of a code span, which stays in its paragraph; `at` where it does not end."""
    paragraph = text.find("\n\n", at)
    end = min(len(text) if paragraph < 0 else paragraph, at + 10_000)
    found = re.compile(rf"(?<!`){sign}(?!`)").search(text, at, end)
    return found.end() if found else at
