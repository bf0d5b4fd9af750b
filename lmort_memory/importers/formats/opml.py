"""OPML outlines (OmniOutliner, Workflowy, Dynalist, Logseq): a turn for each branch.

The first level is the heading; what stands below it is an indented list, with notes. Lists of feeds
are OPML too, and have nothing to remember: they are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from lmort_memory.errors import ImportFileError
from lmort_memory.importers.document import Block, document_turns
from lmort_memory.importers.format import MAX_TEXT_BYTES, Format, LeftOut, file_uri, read_head
from lmort_memory.importers.html import html_text
from lmort_memory.importers.times import modified_at
from lmort_memory.types import Turn

__all__ = ["FORMAT"]

_ROOT = re.compile(r"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<opml\b", re.S)
_MARKUP = re.compile(r"</?(?:b|i|u|a|span|br|code|em|strong|mark|time)\b[^<>]*>", re.I)


def _matches(path: Path) -> bool:
    return bool(_ROOT.match(read_head(path, 4096)))


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ImportFileError(f"{path} is damaged: {error}", path=str(path)) from error
    body = root.find("body")
    blocks = [] if body is None else list(_blocks(body, left_out))
    yield from document_turns(
        blocks,
        uri=file_uri(path),
        title=_plain(root.findtext("head/title") or "") or path.stem,
        metadata={"format": "opml"},
        created_at=modified_at(path),
    )


def _blocks(body: ElementTree.Element, left_out: LeftOut) -> Iterator[Block]:
    alone: list[str] = []
    for branch in body.findall("outline"):
        below = [line for child in branch for line in _lines(child, 0, left_out)]
        title = _plain(branch.get("text") or branch.get("title") or "")
        if branch.get("xmlUrl"):
            left_out["feed"] += 1
        elif title and (below or branch.get("_note")):
            yield Block((title,), "\n".join([*_note(branch, ""), *below]))
        elif title:
            alone.append(title)
    if alone:
        yield Block((), "\n".join(f"- {line}" for line in alone))


def _lines(outline: ElementTree.Element, depth: int, left_out: LeftOut) -> Iterator[str]:
    if outline.tag != "outline":
        return
    if outline.get("xmlUrl"):
        left_out["feed"] += 1
        return
    indent = "  " * depth
    if text := _plain(outline.get("text") or outline.get("title") or ""):
        yield f"{indent}- {text}"
    yield from _note(outline, f"{indent}  ")
    for child in outline:
        yield from _lines(child, depth + 1, left_out)


def _note(outline: ElementTree.Element, indent: str) -> list[str]:
    note = _plain(outline.get("_note") or "")
    return [f"{indent}{line}" for line in note.splitlines() if line.strip()]


def _plain(text: str) -> str:
    """Return a line without the markup that some programs put into it."""
    return html_text(text).strip() if _MARKUP.search(text) else text.strip()


FORMAT = Format(
    name="opml",
    suffixes=(".opml",),
    matches=_matches,
    read=_read,
    about="OPML outlines",
    longest=MAX_TEXT_BYTES,
)
