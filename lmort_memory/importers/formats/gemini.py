"""Gemini in Google Takeout: My Activity > Gemini Apps as JSON, the file or the zip.

The export is a list of activities, newest first, without conversations: each has what was asked (in
its title, after a verb in the user's language) and mostly what was answered, as HTML. So each is a
session of its own, of one or two turns. Takeout's default is HTML; JSON has to be chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lmort_memory.importers.format import Format, LeftOut
from lmort_memory.importers.html import html_text
from lmort_memory.importers.json_fields import Object, items_of, object_of, text_of
from lmort_memory.importers.json_walk import first_parts, parts, walk
from lmort_memory.importers.members import ZIP_DAMAGE, member_names, opened_zip
from lmort_memory.importers.times import from_iso
from lmort_memory.types import JsonValue, Source, Turn

__all__ = ["FORMAT"]

_FILE = re.compile(r"(?:^|/)My ?[Aa]ctivity\.json$|(?:^|/)[^/]*Gemini[^/]*/[^/]+\.json$")
_PRODUCTS = re.compile(r"\b(?:Gemini|Bard)\b")
# The verbs of other languages are left standing: a word too many beats a word of the user's lost.
_ASKED = re.compile(r"(?:Prompted|Asked|Said)(?: with| Gemini| Bard)?:?\s+")
_OTHER = re.compile(r"(?:Used|Created|Added|Removed|Gave|Viewed|Visited|Selected|Changed)\b")
_FILES = re.compile(r"\s*Attached \d+ files?\.\s*$")


def _matches(path: Path) -> bool:
    if path.suffix.lower() != ".zip":
        return any(_is_ours(object_of(value)) for _, value in first_parts(path, "", at_most=5))
    return any(_FILE.search(name) and "Gemini" in name for name in member_names(path))


def _is_ours(activity: Object) -> bool:
    products = [item for item in items_of(activity, "products") if isinstance(item, str)]
    names = " ".join([text_of(activity, "header"), *products])
    return {"title", "time"} <= activity.keys() and bool(_PRODUCTS.search(names))


def _read(path: Path, left_out: LeftOut) -> Iterator[Turn]:
    for value in _values(path, left_out):
        activity = object_of(value)
        if _is_ours(activity):
            yield from _turns(activity, left_out)
        else:
            left_out["activity of another product"] += 1


def _values(path: Path, left_out: LeftOut) -> Iterator[JsonValue]:
    if path.suffix.lower() != ".zip":
        yield from (value for _, value in parts(path, "", damaged=left_out.fail))
        return
    with opened_zip(path) as members:
        wanted = [name for name in members.names if _FILE.search(name)]
        left_out["file in the zip of another kind"] += len(members.names) - len(wanted)
        for name in wanted:
            try:
                with members.stream(name) as stream:
                    found = walk(stream, frozenset(("",)), damaged=left_out.fail)
                    yield from (value for _, value in found)
            except ZIP_DAMAGE as error:
                left_out.fail(f"{name}: {error}")


def _turns(activity: Object, left_out: LeftOut) -> Iterator[Turn]:
    title, when = text_of(activity, "title").strip(), text_of(activity, "time")
    answers = [object_of(item) for item in items_of(activity, "safeHtmlItem")]
    answer = "\n\n".join(html_text(text_of(item, "html")) for item in answers).strip()
    left_out["attachment"] += len(items_of(activity, "attachedFiles"))
    left_out["picture"] += len(items_of(activity, "imageFile"))
    if _OTHER.match(title) and not answer:
        left_out["activity that asks nothing"] += 1
        return
    asked = _FILES.sub("", _ASKED.sub("", title, count=1)).strip()
    for role, text in (("user", asked), ("assistant", answer)):
        if text:
            yield Turn(
                text=text,
                role=role,
                session=f"gemini:{when}",
                created_at=from_iso(when),
                metadata={"format": "gemini"},
                source=Source(f"gemini:{when}"),
            )


FORMAT = Format(
    name="gemini",
    suffixes=(".zip", ".json"),
    matches=_matches,
    read=_read,
    about="Gemini in Google Takeout: My Activity as JSON, the file or the zip",
    appends=True,
)
