"""What a person reads of an HTML document: its title, its headings, its paragraphs.

Scripts, styles, navigation and what is hidden are passed over; pictures are counted.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser

from lmort_memory.importers.document import Block, Outline
from lmort_memory.text import marked_encoding

__all__ = ["HtmlDocument", "decode_html", "html_text", "parse_html"]

_SILENT = {"script", "style", "template", "noscript", "svg", "nav", "iframe", "object", "select"}
_SILENT |= {"button", "math", "dialog", "en-crypt", "textarea", "canvas", "audio", "video"}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"}
_VOID |= {"track", "wbr", "en-media", "en-todo"}
_BLOCKS = {"p", "div", "section", "article", "main", "header", "footer", "aside", "figure", "form"}
_BLOCKS |= {"ul", "ol", "dl", "dt", "dd", "table", "blockquote", "pre", "address", "fieldset"}
_BLOCKS |= {"body", "html", "figcaption", "details", "summary", "center", "hr", "en-note"}
_HEADING = re.compile(r"h([1-6])")
_SPACE = re.compile(r"[ \t\r\n\f\u00a0]+")
# The last is Evernote's: a notice to old versions in place of tasks, which the file has elsewhere.
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|--en-task-group\s*:\s*true",
    re.I,
)
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.I)


@dataclass(frozen=True, slots=True)
class HtmlDocument:
    """A document's title, "" without one, its blocks, and what was passed over, by reason."""

    title: str
    blocks: tuple[Block, ...]
    left_out: Counter[str]


def parse_html(text: str) -> HtmlDocument:
    """Read an HTML document or a part of one. Damaged markup is read as far as it goes."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    reader.end_block()
    return HtmlDocument(_one_line(reader.title), tuple(reader.blocks), +reader.left_out)


def html_text(text: str) -> str:
    """Return the text of a part of an HTML document, its headings as paragraphs."""
    lines: list[str] = []
    shown: tuple[str, ...] = ()
    for block in parse_html(text).blocks:
        lines += [title for title in block.headings if title not in shown]
        shown = block.headings
        lines.append(block.text)
    return "\n\n".join(lines)


def decode_html(data: bytes) -> str:
    """Decode a file as the HTML standard says: byte order mark, declared charset, else UTF-8.

    What is neither declared nor UTF-8 is windows-1252, the standard's default.
    """
    if wide := marked_encoding(data):
        return data.decode(wide, "replace")
    if data.startswith(codecs.BOM_UTF8):
        return data.decode("utf-8-sig", "replace")
    declared = _CHARSET.search(data[:4096])
    encodings = [declared[1].decode("ascii")] if declared else []
    for encoding in (*encodings, "utf-8"):
        try:
            return data.decode(encoding)
        except (LookupError, UnicodeError):
            continue
    return data.decode("windows-1252", "replace")


@dataclass(slots=True)
class _List:
    """An open list; `number` counts the items of an ordered one."""

    number: int | None


class _Reader(HTMLParser):
    """Gathers text into blocks; inside a list or a table one block is the whole of it."""

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Take `<![…>` of an unknown kind as a comment, as browsers do; html.parser asserts."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i)

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.blocks: list[Block] = []
        self.left_out: Counter[str] = Counter()
        self._outline = Outline()
        self._text: list[str] = []
        self._heading: int | None = None
        self._in_title = False
        self._silent: list[str] = []  # the tag that is passed over, and its like inside
        self._lists: list[_List] = []
        self._tables = self._cells = self._pre = self._quotes = 0
        self._divs = self._code_div = 0  # open ones, and which of them Evernote shows as code

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silent:
            if tag == self._silent[0] and tag not in _VOID:
                self._silent.append(tag)
            return
        values = dict(attrs)
        if tag in _SILENT or (tag not in _VOID and _is_hidden(values)):
            if tag == "en-crypt":
                self.left_out["encrypted passage"] += 1
            self._silent = [tag]
        elif heading := _HEADING.fullmatch(tag):
            self.end_block()
            self._heading = int(heading[1])
        elif tag == "title":
            self._in_title = True
        else:
            self._start(tag, values)

    def _start(self, tag: str, values: dict[str, str | None]) -> None:
        if tag == "br":
            self._text.append("\n")
        elif tag == "img" or tag == "en-media":
            self.left_out["picture" if tag == "img" else "attachment"] += 1
        elif tag == "en-todo":
            self._text.append("[x] " if values.get("checked") == "true" else "[ ] ")
        elif tag in ("ul", "ol"):
            self._break()
            self._lists.append(_List(1 if tag == "ol" else None))
        elif tag == "li":
            self._start_item()
            self._text.append(_checked(values.get("style") or ""))
        elif tag == "input" and values.get("type") == "checkbox":
            self._text.append("[x] " if "checked" in values else "[ ] ")
        elif tag == "span" and "selected-value" in (values.get("class") or ""):
            self._separate()
        elif tag in ("table", "tr", "td", "th"):
            self._start_table_part(tag)
        elif tag in _BLOCKS:
            self._enter_block(tag, values)

    def _enter_block(self, tag: str, values: dict[str, str | None]) -> None:
        self._break()
        self._pre += tag == "pre"
        self._quotes += tag == "blockquote"
        if tag == "div":
            self._divs += 1
            looks = values.get("class") or ""
            if not self._code_div and "en-codeblock" in (values.get("style") or ""):
                self._code_div = self._divs
                self._pre += 1
            elif "checkbox-o" in looks:  # of Notion: checkbox-on, -off
                self._text.append("[x] " if "checkbox-on" in looks else "[ ] ")

    def _leave_block(self, tag: str) -> None:
        if tag == "div":
            if self._code_div and self._code_div == self._divs:
                self._code_div = 0
                self._break()
                self._pre -= self._pre > 0
            self._divs -= self._divs > 0
        self._pre -= tag == "pre" and self._pre > 0
        self._quotes -= tag == "blockquote" and self._quotes > 0

    def _separate(self) -> None:
        """Put a comma between values that a page shows apart by their looks alone."""
        last = self._text[-1] if self._text else ""
        if last.strip() and not last.endswith((" ", "\n")):
            self._text.append(", ")

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if tag == self._silent[0]:
                self._silent.pop()
        elif _HEADING.fullmatch(tag):
            self._end_heading()
        elif tag == "title":
            self._in_title = False
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
            self._break()
        elif tag in ("table", "tr") and self._tables:
            self._tables -= tag == "table"
            self._cells = 0
            self._break()
        elif tag in _BLOCKS:
            self._break()
            self._leave_block(tag)

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._in_title:
            self.title += data
        else:
            self._text.append(data.replace("\u00a0", " ") if self._pre else _SPACE.sub(" ", data))

    def _start_item(self) -> None:
        self._break()
        here = self._lists[-1] if self._lists else _List(None)
        mark = "-" if here.number is None else f"{here.number}."
        if here.number is not None:
            here.number += 1
        self._text.append(f"{'  ' * (len(self._lists) - 1)}{mark} ")

    def _start_table_part(self, tag: str) -> None:
        if tag == "table":
            self._break()
            self._tables += 1
        elif tag == "tr":
            self._cells = 0
            self._break()
        else:
            if self._cells:
                self._text.append(" | ")
            self._cells += 1

    def _break(self) -> None:
        """End a paragraph, or a line of a list, table or cell."""
        if self._heading is not None or self._cells:
            self._text.append(" ")
        elif self._code_div:  # its lines are blocks
            if self._text and not self._text[-1].endswith("\n"):
                self._text.append("\n")
        elif self._lists or self._tables:
            while self._text and not self._text[-1].strip(" "):
                self._text.pop()
            if self._text and not self._text[-1].endswith(("\n", "- ", ". ", " | ", "] ")):
                self._text.append("\n")
        else:
            self.end_block()

    def _end_heading(self) -> None:
        if self._heading is not None:
            title = _one_line("".join(self._text))
            self._text.clear()
            if title:
                self._outline.enter(self._heading, title)
            self._heading = None

    def end_block(self) -> None:
        """Close the open paragraph."""
        if self._heading is not None:
            self._end_heading()
            return
        text = "".join(self._text)
        self._text.clear()
        lines = text.split("\n") if self._pre else [_trimmed(line) for line in text.split("\n")]
        text = "\n".join(lines).strip("\n").rstrip()
        if text.strip():
            text = "\n".join(f"> {line}" for line in text.split("\n")) if self._quotes else text
            self.blocks.append(Block(self._outline.path, text))


def _trimmed(line: str) -> str:
    """Remove space around a line's words, but not the indent of a list's item."""
    indent = len(line) - len(line.lstrip(" "))
    is_item = re.match(r" *(?:-|\d+\.) ", line)
    return (" " * indent if is_item else "") + _SPACE.sub(" ", line).strip()


def _checked(style: str) -> str:
    """Return the box of an item of Evernote's checklists."""
    found = re.search(r"--en-checked:\s*(true|false)", style)
    return "" if found is None else "[x] " if found[1] == "true" else "[ ] "


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _is_hidden(values: dict[str, str | None]) -> bool:
    return "hidden" in values or bool(_HIDDEN.search(values.get("style") or ""))
