"""Markdown as Obsidian writes it: markdown-it with wiki links, tags and formulas.

markdown-it knows what is code, a table, a link, HTML. The rules here add what only Obsidian has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import unquote

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

__all__ = ["Fact", "Heading", "Outline", "parse", "wiki_target"]

_WIKI = re.compile(r"(!?)\[\[([^\[\]\n]+)\]\]")
# As Obsidian: no white space and none of these signs, and not digits alone.
_TAG = re.compile(r"#([^\s!@#$%^&*(),.:;'\"?<>\[\]{}|\\`~=+\u2000-\u206f\u3000-\u303f]+)")
_BEFORE_A_TAG = re.compile(r"[\s(\[{,;>*_~|\"'“‘«—–-]")  # noqa: RUF001  signs of other scripts
_COLOUR = re.compile(r"(?=[a-f]*\d)[\da-f]{3,4}(?:[\da-f]{2}){0,2}|([a-f])\1{2}(?:\1{3})?", re.I)
_FORMULA = re.compile(r"\$\$.+?\$\$|\$(?![\s\d])[^$\n]*?(?<!\s)\$(?!\d)", re.DOTALL)
# What Pandoc, Hugo and kramdown read behind a heading as its name and class: {#hives .wide n=1}
_ATTRIBUTE = r"(?:[#.][^\s{}]+|[\w:-]+=(?:\"[^\"{}\n]*\"|[^\s{}\"]+))"
_ATTRIBUTES = re.compile(
    rf"\{{:?[ \t]*(?=[#.]){_ATTRIBUTE}(?:[ \t]+{_ATTRIBUTE})*[ \t]*\}}[ \t]*\Z"
)
_HTML = re.compile(r"<(/?)([a-z][a-z0-9-]*)([^<>]*)>", re.IGNORECASE)
_BLOCK_OF_LOGSEQ = re.compile(r"\(\([\da-f-]{36}\)\)")
# markdown-it looks for the end of every bracket; a run of open ones would take hours.
_UNCLOSED = re.compile(r"(?:!?\[[ \t]*){9,}")
# Hugo's links to its pages: [the hive]({{< relref "hive.md#queen" >}})
_RELREF = re.compile(r"\]\(\{\{[<%][ \t]*(?:rel)?ref[ \t]+\"([^\"<>\n]+)\"[ \t]*[>%]\}\}\)")
_DENDRON = re.compile(r"dendron://[^/|]*/")  # and the name of a vault
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


def parse(text: str, *, label_first: bool = False) -> Outline:
    """Return the outline of a Markdown text.

    Args:
        text: The text, without front matter.
        label_first: Wiki links are those of Dendron, [[label|note]].
    """
    headings: list[Heading] = []
    facts: list[Fact] = []
    fences: list[tuple[str, int, int]] = []
    text = _RELREF.sub(r"](<\1>)", _UNCLOSED.sub(lambda run: " " * len(run[0]), text))
    tokens = _parser().parse(text, {"label_first": label_first})
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
    target = re.split(r"\\?\||[#^]", _DENDRON.sub("", inside), maxsplit=1)[0].strip()
    return _NOTE.sub("", target)


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": 50}).enable(["table", "strikethrough"])
    parser.core.ruler.after("block", "attributes", _without_attributes)
    rules = parser.inline.ruler
    rules.before("link", "wiki", _wiki)
    rules.before("link", "tag", _tag)
    rules.before("escape", "formula", _formula)
    return parser


def _without_attributes(state: StateCore) -> None:
    """Take the attributes off the headings before they are read: `{#hives}` holds no tag."""
    for before, token in pairwise(state.tokens):
        if before.type == "heading_open":
            token.content = _ATTRIBUTES.sub("", token.content).rstrip()


def _wiki(state: StateInline, silent: bool) -> bool:
    found = _WIKI.match(state.src, state.pos)
    pushed = _push(state, silent, "embed" if found and found[1] else "wiki", found, 2)
    if pushed and not silent:
        token = state.tokens[-1]
        label, bar, note = token.content.partition("|")
        if bar and (state.env["label_first"] or _DENDRON.match(note)):
            token.content = f"{note}|{label}"
    return pushed


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
    plain = unquote(href).strip()
    if inside := _WIKI.fullmatch(plain):  # of Logseq: [the hive]([[Hives]])
        return wiki_target(inside[2])
    if _BLOCK_OF_LOGSEQ.fullmatch(plain):
        return ""
    path = unquote(re.split(r"[#?]", href, maxsplit=1)[0]).strip()
    if _FILE.search(path) and not _NOTE.search(path):
        return ""
    return re.sub(r"^(?:\.{0,2}/)+", "", _NOTE.sub("", path))


def _plain(tokens: Sequence[Token]) -> str:
    """Return the words of a heading, without markup."""
    words: list[str] = []
    markup = _markup(token.content for token in tokens if token.type == "html_inline")
    for token in tokens:
        if token.type in ("wiki", "embed"):
            words.append(token.content.rpartition("|")[2])
        elif token.type == "tag":
            words.append(f"#{token.content}")
        elif token.type == "html_inline":
            words.append("" if token.content in markup else token.content)
        elif token.type in ("text", "code_inline", "formula"):
            words.append(token.content)
        elif token.type == "image":
            words.append(_plain(token.children or []))
    return " ".join("".join(words).split())


def _markup(tags: Iterable[str]) -> set[str]:
    """Return the HTML among what looks like it, and not words, as in "The <b> tag" and "List<T>".

    It is HTML where an element is closed, or has attributes.
    """
    found = [tag for tag in map(_HTML.fullmatch, tags) if tag]
    opened = {tag[2].lower() for tag in found if not tag[1]}
    html = opened & {tag[2].lower() for tag in found if tag[1]}
    return {tag[0] for tag in found if tag[2].lower() in html or "=" in tag[3]}
