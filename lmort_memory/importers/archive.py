"""The JSON files of a chat export: one file of an unpacked one, or the members of its zip."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path

from lmort_memory.compressed import Lines
from lmort_memory.importers.format import LeftOut
from lmort_memory.importers.json_stream import iter_json_list
from lmort_memory.importers.members import ZIP_DAMAGE, member_names, opened_zip
from lmort_memory.importers.times import modified_at
from lmort_memory.types import JsonValue

__all__ = ["Member", "first_elements", "members"]

_LOOKED_AT = 20  # members whose beginning tells a format
_ELEMENTS_LOOKED_AT = 3  # of each: the very first may be damaged


class Member:
    """One JSON file of an export.

    Attributes:
        name: Its path inside the zip, "" for a file that is not in one.
        written_at: When the export wrote it, as far as zip and file say.
    """

    def __init__(
        self,
        name: str,
        opened: Callable[[], AbstractContextManager[Lines]],
        written_at: datetime | None = None,
    ) -> None:
        self.name = name
        self.written_at = written_at
        self._opened = opened

    def first(self) -> list[JsonValue]:
        """Return the first elements of the list, or the lone object; none where it is damaged."""
        found: list[JsonValue] = []
        try:
            with self._opened() as stream:
                elements = iter_json_list(stream, damaged=lambda _: None)
                for element in islice(elements, _ELEMENTS_LOOKED_AT):
                    found.append(element)
        except ZIP_DAMAGE:
            pass
        return found

    def elements(self, damaged: Callable[[str], None]) -> Iterator[dict[str, JsonValue]]:
        """Yield the objects of the list, or the lone object, in bounded memory.

        `damaged` is told of an element that cannot be read, and of damage that ends the list.
        """
        try:
            with self._opened() as stream:
                for number, element in enumerate(iter_json_list(stream, damaged=damaged), 1):
                    if isinstance(element, dict):
                        yield element
                    elif element is not None:
                        damaged(f"{self._named}element {number} is no object")
        except ZIP_DAMAGE as error:
            damaged(f"{self._named}the file is damaged: {error}")

    @property
    def _named(self) -> str:
        return f"{self.name}: " if self.name else ""


@contextmanager
def members(
    path: Path, wanted: re.Pattern[str], left_out: LeftOut | None = None
) -> Iterator[list[Member]]:
    """Open the members of a zip whose path ends as wanted, in order; another file is its own one.

    Args:
        path: The zip, or a JSON file.
        wanted: Searched in the path of each member.
        left_out: Told of the members that are not wanted, as a scan tells of files in a folder.

    Raises:
        ImportFileError: the zip cannot be opened, or has too many members.
        OSError: unreadable.
    """
    if path.suffix.lower() != ".zip":
        yield [Member("", lambda: path.open("rb"), modified_at(path))]
        return
    with opened_zip(path) as archive:
        found = [name for name in archive.names if wanted.search(name)]
        if left_out is not None:
            archive.count_others(found, left_out)
        made_at = modified_at(path)
        yield [
            Member(name, partial(archive.stream, name), archive.written(name) or made_at)
            for name in found
        ]


def first_elements(path: Path, wanted: re.Pattern[str]) -> Iterator[JsonValue]:
    """Yield the first elements of the first members, as `Member.first` returns them."""
    if path.suffix.lower() == ".zip" and not any(map(wanted.search, member_names(path))):
        return
    with members(path, wanted) as found:
        for member in found[:_LOOKED_AT]:
            yield from member.first()
