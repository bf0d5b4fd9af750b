"""JSONL files of training text and of evaluation sets."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from lmort_memory.errors import TunerError

__all__ = ["read_jsonl"]


def read_jsonl(path: Path) -> Iterator[dict[str, object]]:
    """Read a JSONL file, decompressing it if its name ends in .gz.

    Raises:
        TunerError: the file is missing, or a line is not a JSON object.
    """
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            for number, line in enumerate(lines, 1):
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise TunerError(f"{path}, line {number}: expected a JSON object — repair it")
                yield row
    except (OSError, EOFError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TunerError(f"{path} cannot be read: {error} — check the data folder") from error
