"""Files of one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from lmort_memory.errors import ImportFileError
from lmort_memory.importers._json_fields import Object
from lmort_memory.importers._json_stream import MAX_ELEMENT_CHARS

__all__ = ["first_objects", "line_objects"]

_LINES_LOOKED_AT = 20


def first_objects(path: Path) -> list[Object]:
    """Return the objects of the first lines, up to one that is no object."""
    found: list[Object] = []
    with suppress(ImportFileError):
        for _, value in islice(line_objects(path), _LINES_LOOKED_AT):
            found.append(value)
    return found


def line_objects(path: Path, *, tail_may_be_cut: bool = False) -> Iterator[tuple[int, Object]]:
    """Yield each object with the number of its line, from 1. Empty lines are passed over.

    Args:
        path: The file.
        tail_may_be_cut: Accept a last line without its end, as of a log that is being written.

    Raises:
        ImportFileError: a line is no JSON object in UTF-8.
        OSError: unreadable.
    """
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(MAX_ELEMENT_CHARS):
            number += 1
            if not line.strip():
                continue
            try:
                value = json.loads(line)
                if not isinstance(value, dict):
                    raise ValueError("no JSON object")
            except (ValueError, RecursionError) as error:
                if tail_may_be_cut and not line.endswith(b"\n"):
                    return
                raise ImportFileError(
                    f"{path}, line {number} cannot be read: {error} — mend or remove that line",
                    path=str(path),
                ) from error
            yield number, value
