"""EPUB books: the text in reading order, each turn under the title and the headings it stands in.

A book under copy protection is an error that says so. Navigation and pictures are left out.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from lmort_memory.errors import ImportFileError
from lmort_memory.importers.document import Block, document_turns
from lmort_memory.importers.format import Format, LeftOut, file_uri
from lmort_memory.importers.html import decode_html, parse_html
from lmort_memory.importers.members import Members, member_names, opened_zip
from lmort_memory.importers.times import from_iso, modified_at
from lmort_memory.types import JsonValue, Turn

__all__ = ["FORMAT"]

_CONTAINER = "META-INF/container.xml"
_PROTECTION = "META-INF/encryption.xml"
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")  # fonts alone


@dataclass(frozen=True, slots=True)
class _Book:
    title: str
    author: str
    published: datetime | None
    chapters: tuple[str, ...]


def _matches(path: Path) -> bool:
    return _CONTAINER in member_names(path)


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    with opened_zip(path) as members:
        _refuse_protected(members, path)
        book = _book(members, path)
        metadata: dict[str, JsonValue] = {"format": "epub"}
        if book.author:
            metadata["author"] = book.author
        yield from document_turns(
            _blocks(members, book, left_out),
            uri=file_uri(path),
            title=book.title or path.stem,
            metadata=metadata,
            created_at=book.published or modified_at(path),
        )


def _blocks(members: Members, book: _Book, left_out: LeftOut) -> Iterator[Block]:
    for chapter in book.chapters:
        if chapter not in members.names:
            left_out["chapter that the book lacks"] += 1
            continue
        try:
            page = parse_html(decode_html(members.read(chapter)))
        except ImportFileError as error:
            left_out.fail(str(error).removeprefix(f"{error.path}, "))
            continue
        left_out.update(page.left_out)
        yield from page.blocks


def _refuse_protected(members: Members, path: Path) -> None:
    if _PROTECTION not in members.names:
        return
    methods = _elements(_xml(members, _PROTECTION, path), "EncryptionMethod")
    if any(method.get("Algorithm") not in _FONTS for method in methods):
        raise ImportFileError(
            f"{path} is under copy protection — import a copy without it", path=str(path)
        )


def _book(members: Members, path: Path) -> _Book:
    places = _elements(_xml(members, _CONTAINER, path), "rootfile")
    place = unquote(places[0].get("full-path") or "") if places else ""
    if place not in members.names:
        raise ImportFileError(
            f"{path} is not a whole EPUB: its package file is missing", path=str(path)
        )
    root = _xml(members, place, path)
    folder = posixpath.dirname(place)
    files = {
        item.get("id"): posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "")))
        for item in _elements(root, "item")
        if "nav" not in (item.get("properties") or "").split()
    }
    spine = [item.get("idref") for item in _elements(root, "itemref") if item.get("linear") != "no"]
    return _Book(
        title=_text(root, "title"),
        author=", ".join(" ".join((one.text or "").split()) for one in _elements(root, "creator")),
        published=from_iso(_text(root, "date")),
        chapters=tuple(files[name] for name in spine if name in files),
    )


def _xml(members: Members, name: str, path: Path) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(members.read(name))  # expat bounds entities itself
    except ElementTree.ParseError as error:
        raise ImportFileError(f"{path}, {name} is damaged: {error}", path=str(path)) from error


def _elements(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Return the elements of a name, in whatever namespace."""
    return [one for one in root.iter() if one.tag.rpartition("}")[2] == name]


def _text(root: ElementTree.Element, name: str) -> str:
    found = _elements(root, name)
    return " ".join((found[0].text or "").split()) if found else ""


FORMAT = Format(
    name="epub",
    suffixes=(".epub",),
    matches=_matches,
    read=_read,
    about="EPUB books without copy protection",
)
