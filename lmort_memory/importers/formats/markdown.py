"""Markdown notes and Obsidian vaults.

A note is cut at its headings, a long section at its paragraphs. Each turn begins with the path of
headings that it stands under ("Ada > Family"), so that a piece is understood, and found, without
the rest of its note; `Source` gives the span of what follows. Properties, tags, links and the
note's date become metadata. A note of properties alone becomes a turn of them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter, itemgetter
from pathlib import Path

from lmort_memory.importers.format import MAX_TEXT_BYTES, Format, LeftOut, file_uri, read_text
from lmort_memory.importers.front_matter import FrontMatter, parse_front_matter
from lmort_memory.importers.language import (
    Cut,
    drawing_start,
    is_language,
    is_template,
    masked,
    not_language,
    queries,
    without,
)
from lmort_memory.importers.markdown_parser import Fact, Outline, parse
from lmort_memory.importers.markdown_sections import Section, line_starts, sections_under
from lmort_memory.importers.properties import (
    created_in,
    links_in,
    properties_text,
    property_metadata,
    tags_in,
    title_in,
    title_of_page,
)
from lmort_memory.importers.split import PIECE_CHARS, pieces
from lmort_memory.importers.times import from_name, modified_at
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

_NOTION_ID = re.compile(r"(?<=\S) [0-9a-f]{32}$")  # behind the name of a page in an unpacked export
_STRUCTURED_CHARS = 2 * 1024 * 1024  # a longer note is cut without a look at its structure


@dataclass(frozen=True, slots=True)
class _Note:
    """A note that was read; every place counts from the beginning of the file.

    Attributes:
        text: The file.
        prose: The same with spaces in place of what is not language.
        cuts: What is not language, in order.
        lines: Where the lines of the body begin, and its end.
        outline: Of the body; its lines count from 0.
        placed: The tags and links of the body, each with its place, in order.
    """

    path: Path
    text: str
    prose: str
    cuts: tuple[Cut, ...]
    front: FrontMatter
    lines: tuple[int, ...]
    outline: Outline
    placed: tuple[tuple[int, Fact], ...]

    @property
    def title(self) -> str:
        """What the note is called."""
        named = title_in(self.front) or title_of_page(self.text, self.front.end)
        if not named and self.path.parent.suffix.lower() == ".textbundle":
            return self.path.parent.stem  # of Bear and Ulysses: its text is called text.md
        name = self.path.name.split(".excalidraw.md")[0].removesuffix(self.path.suffix)
        return named or _NOTION_ID.sub("", name)

    def facts(self, kind: str, section: Section | None, start: int, end: int) -> list[str]:
        """Return the tags or links of `text[start:end]` and of the headings above it."""
        above = section.heading_lines if section else ()
        found = [
            fact for line in above for fact in self._on(self.lines[line], self.lines[line + 1])
        ]
        found += self._on(start, end)
        return [fact.value for fact in found if fact.kind == kind]

    def _on(self, start: int, end: int) -> list[Fact]:
        first = bisect_left(self.placed, start, key=itemgetter(0))
        last = bisect_left(self.placed, end, lo=first, key=itemgetter(0))
        return [fact for _, fact in self.placed[first:last]]


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    text = read_text(path)
    if is_template(path, text):
        left_out["template"] += 1
        return
    note = _note(path, text)
    for cut in note.cuts:
        left_out[cut.reason] += 1
    created_at = created_in(note.front.values) or from_name(path.stem) or modified_at(path)
    found = False
    for section, start, end in _spans(note, left_out):
        found = True
        headings = _heading_path(note.title, section.headings)
        alone = end <= section.start and start == section.heading_start  # a heading, and no more
        context = " > ".join(headings)
        said = without(text, start, end, note.cuts)
        yield Turn(
            text=context if alone else f"{context}\n\n{said}",
            role="note",
            created_at=created_at,
            metadata=_metadata(note, headings, section, (start, end)),
            source=Source(file_uri(path), start, end),
        )
    if not found and (said := properties_text(note.front)):
        found = True
        end = note.front.end
        yield Turn(
            text=f"{note.title}\n\n{said}",
            role="note",
            created_at=created_at,
            metadata=_metadata(note, (note.title,), None, (end, end)),
            source=Source(file_uri(path), 0, end),
        )
    if not found:
        left_out["note without text"] += 1


def _note(path: Path, text: str) -> _Note:
    front = parse_front_matter(text)
    cuts = not_language(text, front.end)
    if "excalidraw-plugin" in front.values or path.name.lower().endswith(".excalidraw.md"):
        start = drawing_start(text, front.end)
        cuts = [cut for cut in cuts if cut.end <= start]
        cuts.append(Cut(start, len(text), "drawing"))
    prose = masked(text, cuts)
    lines = line_starts(prose, front.end)
    if len(text) - front.end > _STRUCTURED_CHARS:
        outline = Outline((), (), ())
    else:
        outline = parse(prose[front.end :], label_first=_is_dendrons(path.parent))
    if hidden := queries(lines, outline.fences):
        prose = masked(prose, hidden)
        cuts = sorted((*cuts, *hidden), key=lambda cut: cut.start)
    placed = tuple(_placed(prose, lines, outline.facts))
    return _Note(path, text, prose, tuple(cuts), front, tuple(lines), outline, placed)


@lru_cache(maxsize=4096)
def _is_dendrons(folder: Path) -> bool:
    """Whether a folder lies in a workspace of Dendron's, which writes links as [[label|note]]."""
    return (folder / "dendron.yml").is_file() or (
        folder.parent != folder and _is_dendrons(folder.parent)
    )


def _placed(text: str, lines: Sequence[int], facts: Iterable[Fact]) -> Iterator[tuple[int, Fact]]:
    """Yield tags and links with their places: of a long line, a turn may have a part."""
    line, at = -1, 0
    for fact in sorted(facts, key=lambda one: one.line):
        start, end = lines[fact.line], lines[fact.line + 1]
        if fact.line != line:
            line, at = fact.line, start + len(text[start:end]) - len(text[start:end].lstrip())
        # A link may be written otherwise than it reads: it stands where the one before it does.
        found = text.find(fact.value, at, end)
        yield max(found, at), fact
        at = found + 1 if found >= 0 else at


def _spans(note: _Note, left_out: LeftOut) -> Iterator[tuple[Section, int, int]]:
    """Yield for each turn its section and its span.

    A heading without text says what stands below it, and is in the path of that. Where nothing
    does, it goes with the text of the next heading beside it; those that end a section without any
    become a turn of their own. A section that holds nothing but embeds is none: its heading asks
    what another note answers.
    """
    start = note.front.end
    found = list(sections_under(note.outline.headings, note.lines, start, len(note.text)))
    bare: list[Section] = []
    for section, after in zip(found, [*found[1:], None], strict=True):
        spans = _joined(note, pieces(note.prose, section.start, section.end))
        said = [span for span in spans if is_language(note.prose[slice(*span)])]
        first = bare[0].heading_start if bare else section.start
        if bare and not (_beside(bare[-1], section) and section.end - first <= PIECE_CHARS):
            yield from _bare_spans(note.prose, bare)
            bare, first = [], section.start
        if said:
            said[0] = (first if bare else said[0][0], said[0][1])
            bare = []
            yield from ((section, start, end) for start, end in said)
        elif spans or note.text[section.start : section.end].strip():
            left_out["section without language"] += 1
        elif section.headings and section.headings[-1] and not _above(section, after):
            bare.append(section)
    yield from _bare_spans(note.prose, bare)


def _joined(note: _Note, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join pieces that only a cut between them holds apart: what is said in them fits one.

    The cut counted as space when the text was cut to size, and a picture is as long as a chapter.
    """
    found: list[tuple[int, int]] = []
    for start, end in spans:
        if found and _is_cut_between(note, found[-1][1], start):
            first = found[-1][0]
            if len(without(note.text, first, end, note.cuts)) <= PIECE_CHARS:
                found[-1] = (first, end)
                continue
        found.append((start, end))
    return found


def _is_cut_between(note: _Note, start: int, end: int) -> bool:
    at = bisect_left(note.cuts, start, key=attrgetter("start"))
    return at < len(note.cuts) and note.cuts[at].end <= end


def _bare_spans(text: str, bare: Sequence[Section]) -> Iterator[tuple[Section, int, int]]:
    """Yield the turns of headings that follow each other without text."""
    if len(bare) == 1:
        yield bare[0], bare[0].heading_start, bare[0].start
    elif bare:
        first, end = bare[0].heading_start, bare[-1].start
        parent = Section(bare[0].headings[:-1], bare[0].heading_lines[:-1], first, first, end)
        yield from ((parent, *span) for span in pieces(text, first, end))


def _beside(one: Section, other: Section) -> bool:
    return len(one.headings) == len(other.headings) and one.headings[:-1] == other.headings[:-1]


def _above(section: Section, after: Section | None) -> bool:
    return after is not None and len(after.headings) > len(section.headings)


def _heading_path(title: str, above: Sequence[str]) -> tuple[str, ...]:
    headings = tuple(heading for heading in above if heading)
    if headings and headings[0].casefold() == title.casefold():
        return headings
    return (title, *headings)


def _metadata(
    note: _Note, headings: tuple[str, ...], section: Section | None, span: tuple[int, int]
) -> dict[str, JsonValue]:
    """Return the note's properties, and beside them what is known of one turn.

    A property of the user's is never overwritten: where it has the name of one of ours, ours is
    called `note_…`. Tags are of both.
    """
    metadata = property_metadata(note.front)
    links = [*note.facts("link", section, *span), *links_in(note.front)]
    ours: dict[str, JsonValue] = {
        "format": "markdown",
        "title": note.title,
        "headings": list[JsonValue](headings[1:]),
        "links": list[JsonValue](_unique(links)),
    }
    for name, value in ours.items():
        if metadata.get(name) is None:
            metadata[name] = value
        elif name != "title":
            metadata[f"note_{name}"] = value
    tags = [*tags_in(note.front), *note.facts("tag", section, *span)]
    metadata["tags"] = list[JsonValue](_unique(tags))
    return {key: value for key, value in metadata.items() if value not in ([], None)}


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(word for word in words if word))


FORMAT = Format(
    name="markdown",
    suffixes=(".md", ".markdown", ".mdown"),
    matches=lambda path: True,
    read=_read,
    version=8,
    about="Markdown notes and Obsidian vaults",
    longest=MAX_TEXT_BYTES,
)
