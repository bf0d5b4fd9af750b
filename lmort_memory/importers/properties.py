"""The properties of a note: what is searchable of them, and the time that they tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from lmort_memory.importers.front_matter import FrontMatter
from lmort_memory.importers.markdown_parser import wiki_target
from lmort_memory.importers.times import from_epoch, from_stamp, from_words
from lmort_memory.types import JsonValue

__all__ = [
    "created_in",
    "links_in",
    "properties_text",
    "property_metadata",
    "tags_in",
    "title_in",
    "title_of_page",
]

_WIKI = re.compile(r"!?\[\[([^\[\]\n]+)\]\]")
_TAGS = re.compile("tags?", re.IGNORECASE)  # Obsidian reads its own names in any case
_PAGE_TITLE = re.compile(r"\s*(?:[\w-]+::[ \t].*\n)*?title::[ \t]+(\S.*)", re.IGNORECASE)
_SIGNS = re.compile(r"[^a-z]+")
# Of the names that programs give to it, the first that a note has; without signs and case.
_CREATED = tuple(
    """created createdat createdon createdtime datecreated createddate creationdate creationtime
    date datetime day published publishedat publishdate datepublished pubdate""".split()  # noqa: SIM905
)
_FOR_PROGRAMS = re.compile(
    r"css-?class(?:es)?|publish|permalink|slug|position|kanban-plugin|excalidraw-.*|banner.*|draft"
    r"|layout|obsidianuimode|obsidianeditingmode",
    re.IGNORECASE,
)


def created_in(values: Mapping[str, JsonValue]) -> datetime | None:
    """Return when the note was made, as its properties say."""
    named = {_SIGNS.sub("", key.lower()): value for key, value in reversed(list(values.items()))}
    for name in _CREATED:
        value = named.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, str) and (link := _WIKI.fullmatch(value.strip())):
            value = link[1].partition("|")[0].rpartition("/")[2]  # created: "[[2024-05-01]]"
        if isinstance(value, int) and 1900_00_00 < value < 2101_00_00:  # 20240501
            value = str(value)
        large = isinstance(value, int | float) and value > 1e9  # no year, but seconds since 1970
        since_1970 = from_epoch(str(value)) if large or isinstance(value, str) else None
        if (when := from_stamp(value) or since_1970 or from_words(value)) is not None:
            return when
    return None


def property_metadata(front: FrontMatter) -> dict[str, JsonValue]:
    """Return the properties as metadata, without tags."""
    metadata = {key: value for key, value in front.values.items() if not _TAGS.fullmatch(key)}
    if front.unread:
        metadata["front_matter"] = "\n".join(front.unread)
    return metadata


def links_in(front: FrontMatter) -> list[str]:
    """Return the notes that the properties link to."""
    found = (wiki_target(link) for text in _texts(front.values) for link in _WIKI.findall(text))
    return [target for target in found if target]


def tags_in(front: FrontMatter) -> list[str]:
    """Return the tags among the properties: a list, or a line with commas or spaces between."""
    found: list[str] = []
    for key, value in front.values.items():
        if not _TAGS.fullmatch(key):
            continue
        if isinstance(value, str):
            found += re.split(r"[,\s]+", value.strip())
        elif isinstance(value, list):
            found += [_said(item) for item in value if isinstance(item, str | int | float)]
    return [tag.lstrip("#") for tag in found]


def title_in(front: FrontMatter) -> str:
    """Return the title that the properties give, "" if none."""
    titles = (value for key, value in front.values.items() if key.lower() == "title")
    return next((str(one).strip() for one in titles if isinstance(one, str | int | float)), "")


def title_of_page(text: str, start: int) -> str:
    """Return the title that the lines at the top of a page of Logseq's give, "" if none."""
    found = _PAGE_TITLE.match(text, start)
    return found[1].strip() if found else ""


def properties_text(front: FrontMatter) -> str:
    """Write the properties that are for people, one a line; "" where all are empty."""
    lines = [
        f"{key}: {said}"
        for key, value in front.values.items()
        if not _FOR_PROGRAMS.fullmatch(key) and key.lower() != "title" and (said := _said(value))
    ]
    return "\n".join([*lines, *front.unread])


def _said(value: JsonValue) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _WIKI.sub(lambda link: link[1].rpartition("|")[2], value).strip()
    if isinstance(value, list):
        return ", ".join(filter(None, map(_said, value)))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {said}" for key, one in value.items() if (said := _said(one)))
    return json.dumps(value)


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
