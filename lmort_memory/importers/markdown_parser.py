"""Markdown as Obsidian writes it: markdown-it with wiki links, tags and formulas.

markdown-it knows what is code, a table, a link, HTML. The rules here add what only Obsidian has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

__all__ = ["Fact", "Heading", "Outline", "parse", "wiki_target"]

_WIKI = re.compile(r"(!?)\[\[([^\[\]\n]+)\]\]")
# As Obsidian: no white space and none of these signs, and not digits alone.
_TAG = re.compile(r"#([^\s!@#$%^&*(),.:;'\"?<>\[\]{}|\\`~=+\u2000-\u206f\u3000-\u303f]+)")
_BEFORE_A_TAG = re.compile(r"[\s(\[{,;>*_~|\"'“‘«—–-]")  # noqa: RUF001  signs of other scripts
_COLOUR = re.compile(r"(?=[a-f]*\d)[\da-f]{3,4}(?:[\da-f]{2}){0,2}|([a-f])\1{2}(?:\1{3})?", re.I)
_FORMULA = re.compile(r"\$\$.+?\$\$|\$(?![\s\d])[^$\n]*?(?<!\s)\$(?!\d)", re.DOTALL)
# markdown-it looks for the end of every bracket; a run of open ones would take hours.
_UNCLOSED = re.compile(r"(?:!?\[[ \t]*){9,}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|:/|//|#", re.IGNORECASE)  # Joplin's begin with ":/"
_NOTE = re.compile(r"\.(?:md|markdown|mdown)$", re.IGNORECASE)
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|bmp|avif|heic)$", re.IGNORECASE)
_FILE = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,8}$")


@dataclass(frozen=True, slots=True)
class Fact:
    """A tag or a link, and the line that it stands on, from 0."""

    line: int
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its level, its words without markup, and its lines [first, last)."""

    level: int
    title: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Outline:
    """What a text is made of.

    Attributes:
        headings: Those of the text itself; one inside a quotation or a list is text.
        facts: Tags and links, in order.
        fences: The blocks of code: their language and their lines [first, last).
    """

    headings: tuple[Heading, ...]
    facts: tuple[Fact, ...]
    fences: tuple[tuple[str, int, int], ...]


def parse(text: str) -> Outline:
    """Return the outline of a Markdown text."""
    headings: list[Heading] = []
    facts: list[Fact] = []
    fences: list[tuple[str, int, int]] = []
    tokens = _parser().parse(_UNCLOSED.sub(lambda run: " " * len(run[0]), text))
    for place, token in enumerate(tokens):
        first, last = token.map or (0, 0)
        if token.type == "fence":
            words = token.info.split()
            fences.append((words[0].lower() if words else "", first, last))
        elif token.type == "inline":
            facts.extend(_facts(token.children or [], first))
            before = tokens[place - 1]
            # An underlined paragraph of several lines is text above a rule, not a heading.
            if before.type == "heading_open" and before.level == 0 and "\n" not in token.content:
                title = _plain(token.children or [])
                place_of = before.map or (first, last)
                headings.append(Heading(int(before.tag[1]), title, *place_of))
    return Outline(tuple(headings), tuple(facts), tuple(fences))


def wiki_target(inside: str) -> str:
    """Return the note that "Note#Heading|alias" names; "" for a place in the same note."""
    target = re.split(r"\\?\||[#^]", inside, maxsplit=1)[0].strip()
    return _NOTE.sub("", target)


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": 50}).enable(["table", "strikethrough"])
    rules = parser.inline.ruler
    rules.before("link", "wiki", _wiki)
    rules.before("link", "tag", _tag)
    rules.before("escape", "formula", _formula)
    return parser


def _wiki(state: StateInline, silent: bool) -> bool:
    found = _WIKI.match(state.src, state.pos)
    return _push(state, silent, "embed" if found and found[1] else "wiki", found, 2)


def _tag(state: StateInline, silent: bool) -> bool:
    before = state.src[state.pos - 1] if state.pos else " "
    found = _TAG.match(state.src, state.pos) if _BEFORE_A_TAG.match(before) else None
    if found and (not re.search(r"[^\d/_-]", found[1]) or _COLOUR.fullmatch(found[1])):
        found = None
    return _push(state, silent, "tag", found, 1)


def _formula(state: StateInline, silent: bool) -> bool:
    return _push(state, silent, "formula", _FORMULA.match(state.src, state.pos), 0)


def _push(
    state: StateInline, silent: bool, kind: str, found: re.Match[str] | None, group: int
) -> bool:
    if found is None or found.end() > state.posMax:
        return False
    if not silent:
        token = state.push(kind, "", 0)
        token.content = found[group]
    state.pos = found.end()
    return True


def _facts(tokens: Sequence[Token], line: int) -> Iterator[Fact]:
    inside_link = 0
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            line += 1
        elif token.type == "link_open":
            inside_link += 1
            if target := _linked_note(str(token.attrGet("href") or "")):
                yield Fact(line, "link", target)
        elif token.type == "link_close":
            inside_link -= 1
        elif token.type == "tag" and not inside_link:
            yield Fact(line, "tag", token.content.rstrip("/-"))
        elif token.type in ("wiki", "embed"):
            target = wiki_target(token.content)
            is_file = _FILE if token.type == "embed" else _PICTURE  # a note's name may have a dot
            if target and not is_file.search(target):
                yield Fact(line, "link", target)
        if token.type == "formula":
            line += token.content.count("\n")


def _linked_note(href: str) -> str:
    """Return the note that a Markdown link leads to; "" for the web, files, and the same note."""
    if not href or _SCHEME.match(href):
        return ""
    path = re.split(r"[#?]", href, maxsplit=1)[0]
    path = unquote(path).strip()
    if _FILE.search(path) and not _NOTE.search(path):
        return ""
    return re.sub(r"^(?:\.{0,2}/)+", "", _NOTE.sub("", path))


def _plain(tokens: Sequence[Token]) -> str:
    """Return the words of a heading, without markup."""
    words: list[str] = []
    for token in tokens:
        if token.type in ("wiki", "embed"):
            words.append(token.content.rpartition("|")[2])
        elif token.type == "tag":
            words.append(f"#{token.content}")
        elif token.type in ("text", "code_inline", "formula", "html_inline"):
            words.append(token.content)
        elif token.type == "image":
            words.append(_plain(token.children or []))
    return " ".join("".join(words).split())
