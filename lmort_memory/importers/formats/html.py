"""HTML pages, saved or exported: what a person reads of them, under their headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lmort_memory.importers.document import document_turns
from lmort_memory.importers.format import MAX_TEXT_BYTES, Format, LeftOut, RefusedError, file_uri
from lmort_memory.importers.html import decode_html, parse_html
from lmort_memory.importers.times import from_name, modified_at
from lmort_memory.types import Turn

__all__ = ["FORMAT"]

_BEGINNING = re.compile(
    r"(?:\s|<!--.*?-->|<\?xml[^>]*>)*<(?:!doctype\s+html|html|head|body)[\s>]", re.I | re.S
)
# Chats as pages, where nothing says who spoke; each program also writes JSON.
_CHATS = {
    "outer-cell mdl-cell": "it is a list of Google's activities as HTML — ask Takeout for JSON",
    'class="message default clearfix"': "it is a chat of Telegram as HTML — export it as JSON",
}


def _matches(path: Path) -> bool:
    with path.open("rb") as stream:
        head = decode_html(stream.read(64 * 1024))
    for sign, refused in _CHATS.items():
        if sign in head:
            raise RefusedError(refused)
    return bool(_BEGINNING.match(head))


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    page = parse_html(decode_html(path.read_bytes()))
    left_out.update(page.left_out)
    if not page.blocks:
        left_out["page without text"] += 1
    yield from document_turns(
        page.blocks,
        uri=file_uri(path),
        title=page.title or path.stem,
        metadata={"format": "html"},
        created_at=from_name(path.stem) or modified_at(path),
    )


FORMAT = Format(
    name="html",
    suffixes=(".html", ".htm", ".xhtml"),
    matches=_matches,
    read=_read,
    version=2,
    about="HTML pages",
    longest=MAX_TEXT_BYTES,
)
