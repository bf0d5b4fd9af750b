"""Notion exports: the zip of "Markdown & CSV", or of HTML, with the zips that it holds.

A page is one source under its id, so that the next export replaces it. Its properties, which Notion
writes below the title, become metadata as well; its headings the path that its text stands under.
The table of a database gives a turn for each row that has no page of its own. Pictures, files and
addresses inside the export are left out.
"""

from __future__ import annotations

import csv
import re
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from lmort_memory.errors import ImportFileError
from lmort_memory.importers.document import Block, UniqueNames, document_turns
from lmort_memory.importers.format import Format, LeftOut, whole
from lmort_memory.importers.html import decode_html, parse_html
from lmort_memory.importers.markdown_sections import sections
from lmort_memory.importers.members import Members, member_names, opened_zip
from lmort_memory.importers.times import from_words, modified_at
from lmort_memory.types import JsonValue, Turn

__all__ = ["FORMAT"]

_ID = re.compile(r"[ _]([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=$|[._/ ])")
_PART = re.compile(r"(?:^|/)(?:Export|ExportBlock)-[\w-]+-Part-\d+\.zip$")
_PROPERTY = re.compile(r"([^\s:#>*\-\[!|`][^:\n]{0,60}): (.*)")
_LOCAL_LINK = re.compile(
    r"(?<!!)\[([^\[\]]*)\]\((?!https?:|mailto:)[^()\s]*(?:\([^()]*\)[^()\s]*)*\)"
)
_PICTURE = re.compile(r"!\[[^\[\]]*\]\([^()]*(?:\([^()]*\)[^()]*)*\)")
_CREATED = ("created", "created time", "date created", "created at", "date")
_MOST = 4  # times the size of the outer zip: a zip cannot be packed much further


def _matches(path: Path) -> bool:
    names = member_names(path)
    if any(_PART.search(name) for name in names):
        return True
    pages = [name for name in names if name.lower().endswith((".md", ".html", ".csv"))]
    return bool(pages) and any(_ID.search(PurePosixPath(name).stem) for name in pages)


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    with opened_zip(path) as members:
        inner = [name for name in members.names if _PART.search(name)]
        yield from _pages(members, path, left_out, besides=inner)
        for name in inner:
            with tempfile.TemporaryFile() as unpacked:
                _copy(members, name, path, unpacked)
                try:
                    archive = zipfile.ZipFile(unpacked)
                except zipfile.BadZipFile as error:
                    raise ImportFileError(
                        f"{path}, {name} is damaged: {error}", path=str(path)
                    ) from error
                with archive:
                    yield from _pages(Members(archive, path), path, left_out, besides=())


def _copy(members: Members, name: str, path: Path, target: IO[bytes]) -> None:
    limit = _MOST * path.stat().st_size + (1 << 20)
    with members.open(name) as packed:
        while block := packed.read(1 << 20):
            target.write(block)
            if target.tell() > limit:
                raise ImportFileError(f"{path}, {name} unpacks to far too much", path=str(path))


def _pages(
    members: Members, path: Path, left_out: LeftOut, *, besides: list[str] | tuple[str, ...]
) -> Iterator[Turn]:
    unique = UniqueNames()
    tables = {name for name in members.names if name.endswith(".csv")}
    views = {name for name in tables if name.removesuffix(".csv") + "_all.csv" in tables}
    tables -= views  # a part of what the other file has whole
    pages = [name for name in members.names if name.endswith((".md", ".html"))]
    members.count_others([*pages, *tables, *views, *besides], left_out)
    titles: dict[str, set[str]] = {}
    for name in pages:
        page = PurePosixPath(name)
        titles.setdefault(str(page.parent), set()).add(_bare(page.stem))
        read = partial(_page, members, page, unique, path, left_out)
        yield from whole(read, name, left_out)
    for name in sorted(tables):
        table = PurePosixPath(name)
        folder = str(table.with_suffix("")).removesuffix("_all")
        rows = partial(_rows, members, table, unique, titles.get(folder, set()), left_out)
        yield from whole(rows, name, left_out)


def _bare(name: str) -> str:
    """Return a name without the id of the page."""
    return _ID.sub("", name).strip()


def _uri(place: PurePosixPath, unique: UniqueNames) -> str:
    ids = _ID.findall(place.stem)
    return unique.name(f"notion:{ids[-1].replace('-', '') if ids else place}")


def _page(
    members: Members, place: PurePosixPath, unique: UniqueNames, path: Path, left_out: LeftOut
) -> Iterator[Turn]:
    properties: dict[str, str] = {}
    if place.suffix == ".html":
        page = parse_html(decode_html(members.read(str(place))))
        left_out.update(page.left_out)
        title, blocks = page.title, list(page.blocks)
    else:
        title, properties, text = _parts(members.text(str(place)))
        left_out["picture"] += len(_PICTURE.findall(text))
        blocks = list(_blocks(_LOCAL_LINK.sub(r"\1", _PICTURE.sub("", text))))
    title = title or _bare(place.stem)
    shown = [f"{name}: {value}" for name, value in properties.items() if value]
    if shown:
        blocks.insert(0, Block((), "\n".join(shown)))
    if not blocks:
        left_out["page without text"] += 1
    metadata: dict[str, JsonValue] = {"format": "notion"}
    if above := [_bare(part) for part in place.parts[:-1] if _ID.search(part)]:
        metadata["parents"] = list[JsonValue](above)
    if properties:
        metadata["properties"] = dict[str, JsonValue](properties)
    uri = _uri(place, unique)
    left_out.dates.update(_dated(uri, members.written(str(place)) or modified_at(path)))
    yield from document_turns(
        blocks,
        uri=uri,
        title=title,
        metadata=metadata,
        created_at=_created(properties) or modified_at(path),
    )


def _dated(uri: str, written_at: datetime | None) -> dict[str, datetime]:
    """Date a source by its export, since few pages say when they were edited."""
    return {} if written_at is None else {uri: written_at}


def _parts(text: str) -> tuple[str, dict[str, str], str]:
    """Split a page into its title, its properties and the rest."""
    lines = text.lstrip("\n").split("\n")
    title = ""
    if lines[0].startswith("# "):
        title, lines = lines[0][2:].strip(), lines[1:]
    while lines and not lines[0].strip():
        lines.pop(0)
    properties: dict[str, str] = {}
    found = [_PROPERTY.fullmatch(line) for line in lines]
    end = next((at for at, one in enumerate(found) if one is None), len(found))
    ends_block = end == len(lines) or not lines[end].strip()
    if end and ends_block:  # else it is a sentence with a colon
        properties = {one[1]: _LOCAL_LINK.sub(r"\1", one[2]) for one in found[:end] if one}
        lines = lines[end:]
    return title, properties, "\n".join(lines)


def _blocks(text: str) -> Iterator[Block]:
    for section in sections(text):
        if body := text[section.start : section.end].strip():
            yield Block(tuple(title for title in section.headings if title), body)


def _created(properties: dict[str, str]) -> datetime | None:
    dates = (value for name, value in properties.items() if name.lower() in _CREATED)
    return next((when for value in dates if (when := from_words(value)) is not None), None)


def _rows(
    members: Members,
    place: PurePosixPath,
    unique: UniqueNames,
    titles: set[str],
    left_out: LeftOut,
) -> Iterator[Turn]:
    name = _bare(place.stem.removesuffix("_all"))
    uri = _uri(place.with_stem(place.stem.removesuffix("_all")), unique)
    left_out.dates.update(_dated(uri, members.written(str(place))))
    for row in csv.DictReader(members.text(str(place)).splitlines(keepends=True)):
        cells = {key: value.strip() for key, value in row.items() if key and isinstance(value, str)}
        first = next(iter(cells.values()), "")
        if any(_same(first, title) for title in titles):
            left_out["row of a table that is a page too"] += 1
        elif text := "\n".join(f"{key}: {value}" for key, value in cells.items() if value):
            yield from document_turns(
                [Block((), text)],
                uri=uri,
                title=name,
                metadata={"format": "notion", "properties": dict[str, JsonValue](cells)},
                created_at=_created(cells),
            )
        else:
            left_out["row without text"] += 1


def _same(title: str, name: str) -> bool:
    """Whether a file is named after a page: without signs that paths lack, and cut off."""
    plain = [re.sub(r"\W+", " ", text).strip().casefold() for text in (title, name)]
    return bool(plain[1]) and plain[0].startswith(plain[1])


FORMAT = Format(
    name="notion",
    suffixes=(".zip",),
    matches=_matches,
    read=_read,
    version=3,
    about="Notion exports: the zip of Markdown & CSV, or of HTML",
)
