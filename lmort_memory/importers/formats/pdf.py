"""PDF documents, with pypdf (extra `documents`): the text of each page.

Lines that the layout broke are joined to paragraphs, words that it hyphenated made whole. Lines at
the top or bottom of most pages (headers, page numbers) are left out; so are pages without text,
which are scans: no characters are recognised here.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from lmort_memory.errors import ImportFileError, MissingDependencyError
from lmort_memory.importers.format import Format, LeftOut, file_uri
from lmort_memory.importers.split import pieces
from lmort_memory.importers.times import modified_at
from lmort_memory.types import JsonValue, Source, Turn

if TYPE_CHECKING:
    from pypdf import PdfReader

__all__ = ["FORMAT"]

_REPEATED_FROM = 3  # pages: on fewer, nothing tells a header from text
_EDGE_LINES = 2  # at the top and at the bottom of a page
_HYPHEN = re.compile(r"(\w)[-\u00ad\u2010]$")
_NUMBER = re.compile(r"\d+")


def _matches(path: Path) -> bool:
    with path.open("rb") as stream:
        return b"%PDF-" in stream.read(1024)  # some writers put bytes before it


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    title, created_at, pages = _pages(path)
    kept = _without_edges(pages, left_out)
    metadata: dict[str, JsonValue] = {"format": "pdf", "title": title}
    for number, lines in enumerate(kept, 1):
        text = _paragraphs(lines)
        if not text:
            left_out["page without text"] += 1
        for start, end in pieces(text, 0, len(text)):
            yield Turn(
                text=f"{title}\n\n{text[start:end]}",
                role="note",
                created_at=created_at,
                metadata={**metadata, "page": number},
                source=Source(file_uri(path)),
            )


def _pages(path: Path) -> tuple[str, datetime | None, list[list[str]]]:
    """Return title, date, and the lines of each page."""
    try:
        import pypdf
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise MissingDependencyError("pypdf", extra="documents") from error
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it remarks on every small flaw
    try:
        with pypdf.PdfReader(path) as reader:
            if reader.is_encrypted and not reader.decrypt(""):
                raise ImportFileError(
                    f"{path} is locked with a password — save a copy without one", path=str(path)
                )
            title, created_at = _facts(reader)
            lines = [page.extract_text().splitlines() for page in reader.pages]
    except (
        PyPdfError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
        NotImplementedError,
        AssertionError,
        OverflowError,
    ) as error:
        raise ImportFileError(
            f"{path} is a damaged PDF: {error or type(error).__name__} — save it again",
            path=str(path),
        ) from error
    cleaned = [[_clean(line) for line in page] for page in lines]
    return title or path.stem, created_at or modified_at(path), cleaned


def _facts(reader: PdfReader) -> tuple[str, datetime | None]:
    """Return the title and the date that the document states; a bad date is none."""
    facts = reader.metadata
    if facts is None:
        return "", None
    try:
        written = facts.creation_date
    except ValueError:
        written = None
    return _clean(str(facts.title or "")), written and written.astimezone()


def _clean(line: str) -> str:
    return " ".join(line.replace("\0", "").encode("utf-8", "replace").decode().split())


def _without_edges(pages: Sequence[list[str]], left_out: LeftOut) -> list[list[str]]:
    """Drop the lines that most pages begin or end with, whatever number is in them."""
    if len(pages) < _REPEATED_FROM:
        return list(pages)
    edges = [(page, _edges(page)) for page in pages]
    met = Counter(key for page, ats in edges for key in {_key(page[at]) for at in chain(*ats)})
    most = max(_REPEATED_FROM, len(pages) // 2 + 1)
    repeated = {key for key, count in met.items() if count >= most}
    kept = []
    for page, ats in edges:
        dropped = {at for edge in ats for at in _outer(page, edge, repeated)}
        left_out["header or footer of a page"] += len(dropped)
        kept.append([line for at, line in enumerate(page) if at not in dropped])
    return kept


def _outer(page: list[str], edge: list[int], repeated: set[str]) -> Iterator[int]:
    """Yield the places from the edge inwards up to the first line that is not repeated."""
    yield from takewhile(lambda at: _key(page[at]) in repeated, edge)


def _edges(page: list[str]) -> list[list[int]]:
    """Return the places of the first and of the last lines, each from the outside in."""
    filled = [at for at, line in enumerate(page) if line]
    return [filled[:_EDGE_LINES], filled[::-1][:_EDGE_LINES]]


def _key(line: str) -> str:
    return _NUMBER.sub("0", line)


def _paragraphs(lines: Sequence[str]) -> str:
    """Join lines to paragraphs: a short line that ends a sentence, or an empty one, ends one."""
    width = max((len(line) for line in lines), default=0)
    text = ""
    for line in lines:
        if not line:
            text = text.rstrip() + "\n\n"
        elif _HYPHEN.search(text) and line[0].islower():
            text = f"{text[:-1]}{line}"
        else:
            gap = "" if not text or text.endswith("\n") else " "
            text += gap + line
        if line.endswith((".", "!", "?", ":", "”")) and len(line) < width * 0.8:
            text += "\n\n"
    return text.strip()


FORMAT = Format(
    name="pdf",
    suffixes=(".pdf",),
    matches=_matches,
    read=_read,
    about="PDF documents that have text (extra `documents`)",
)
