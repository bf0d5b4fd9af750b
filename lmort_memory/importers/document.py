"""From the blocks of a document to turns: paragraphs gathered under the headings they stand under.

What every converted document (HTML, EPUB, Word, Org, an outline) becomes on its way. Each turn
begins with the path of headings, as those of Markdown notes do, so that a piece is understood, and
found, alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from lmort_memory.importers.split import pieces
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["Block", "Outline", "UniqueNames", "document_turns"]


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list or table, and the headings that it stands under, outermost first."""

    headings: tuple[str, ...]
    text: str


@dataclass(slots=True)
class Outline:
    """The headings that are open at a place of a document."""

    _open: list[tuple[int, str]] = field(default_factory=list)

    def enter(self, level: int, title: str) -> None:
        """Begin a section: headings of its level and deeper end."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        self._open.append((level, title))

    @property
    def path(self) -> tuple[str, ...]:
        """The headings from the outermost one."""
        return tuple(title for _, title in self._open if title)


@dataclass(slots=True)
class UniqueNames:
    """Names of sources, where two of them may be called the same."""

    _met: dict[str, int] = field(default_factory=dict)

    def name(self, wanted: str) -> str:
        """Return the name, from its second use on with a number."""
        self._met[wanted] = self._met.get(wanted, 0) + 1
        return wanted if self._met[wanted] == 1 else f"{wanted}#{self._met[wanted]}"


def document_turns(
    blocks: Iterable[Block],
    *,
    uri: str,
    title: str,
    metadata: Mapping[str, JsonValue],
    created_at: datetime | None,
) -> Iterator[Turn]:
    """Yield the turns of a document.

    Args:
        blocks: In order.
        uri: Names the document.
        title: Stands before every path of headings.
        metadata: Of every turn; `title` and `headings` are added.
        created_at: The document's own date.
    """
    for headings, together in groupby(blocks, key=lambda block: block.headings):
        path = headings if headings[:1] == (title,) else (title, *headings)
        text = "\n\n".join(block.text for block in together)
        found: dict[str, JsonValue] = {**metadata, "title": title}
        if path[1:]:
            found["headings"] = list[JsonValue](path[1:])
        for start, end in pieces(text, 0, len(text)):
            yield Turn(
                text=f"{' > '.join(path)}\n\n{text[start:end]}",
                role="note",
                created_at=created_at,
                metadata=found,
                source=Source(uri),
            )
