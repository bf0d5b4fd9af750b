"""Word documents (.docx), with mammoth (extra `documents`): headings, paragraphs, lists, tables.

Pictures and comments are left out.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from lmort_memory.errors import ImportFileError, MissingDependencyError
from lmort_memory.importers.document import document_turns
from lmort_memory.importers.format import MAX_TEXT_BYTES, Format, LeftOut, file_uri
from lmort_memory.importers.html import parse_html
from lmort_memory.importers.members import Members, member_names, opened_zip
from lmort_memory.importers.times import from_iso, modified_at
from lmort_memory.types import JsonValue, Turn

__all__ = ["FORMAT"]

_CORE = "docProps/core.xml"
_DOCUMENT = "word/document.xml"
_TITLE_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"


def _matches(path: Path) -> bool:
    return {_DOCUMENT, "[Content_Types].xml"} <= set(member_names(path))


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    with opened_zip(path) as members:
        members.read(_DOCUMENT)  # bounds what mammoth will unpack
        facts = _facts(members)
        left_out["comment"] += _comments(members)
    page = parse_html(_html(path))
    left_out.update(page.left_out)
    metadata: dict[str, JsonValue] = {"format": "docx"}
    if facts.get("creator"):
        metadata["author"] = facts["creator"]
    yield from document_turns(
        page.blocks,
        uri=file_uri(path),
        title=facts.get("title") or path.stem,
        metadata=metadata,
        created_at=from_iso(facts.get("created")) or modified_at(path),
    )


def _html(path: Path) -> str:
    try:
        import mammoth
    except ImportError as error:
        raise MissingDependencyError("mammoth", extra="documents") from error
    try:
        with path.open("rb") as stream:
            made = mammoth.convert_to_html(
                stream,
                style_map=_TITLE_STYLES,
                convert_image=mammoth.images.img_element(lambda image: {"src": ""}),
            )
    except (
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        IndexError,
        RecursionError,
        zipfile.BadZipFile,
        SyntaxError,
    ) as error:  # expat's errors are SyntaxErrors
        raise ImportFileError(f"{path} is a damaged document: {error}", path=str(path)) from error
    html = str(made.value)
    if len(html) > MAX_TEXT_BYTES:
        raise ImportFileError(f"{path} unpacks to {len(html)} characters", path=str(path))
    return html


def _facts(members: Members) -> dict[str, str]:
    """Return what the document says of itself: title, creator, created."""
    if _CORE not in members.names:
        return {}
    try:
        root = ElementTree.fromstring(members.read(_CORE))
    except ElementTree.ParseError:
        return {}
    return {one.tag.rpartition("}")[2]: " ".join((one.text or "").split()) for one in root}


def _comments(members: Members) -> int:
    name = "word/comments.xml"
    return members.read(name).count(b"<w:comment ") if name in members.names else 0


FORMAT = Format(
    name="docx",
    suffixes=(".docx",),
    matches=_matches,
    read=_read,
    about="Word documents, .docx (extra `documents`)",
)
