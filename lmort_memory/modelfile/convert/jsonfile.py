"""Read the JSON files of a checkpoint. They are not trusted, as the weights are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lmort_memory.errors import BackboneError

__all__ = ["parse_object", "read_object"]

_MAX_BYTES = 1 << 26  # tokenizer.json for a vocabulary of 256,000 is 35 MB


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file whose top level is an object.

    Raises:
        BackboneError: the file is missing, not a regular file, too large, or not a JSON object.
    """
    try:
        if not path.is_file():
            raise BackboneError(f"the checkpoint has no file {path} — check the folder")
        if path.stat().st_size > _MAX_BYTES:
            raise BackboneError(
                f"{path} is {path.stat().st_size} bytes long; at most {_MAX_BYTES} are accepted"
            )
        return parse_object(path.read_bytes(), path)
    except OSError as error:
        raise BackboneError(f"{path} cannot be read: {error.strerror}") from error


def parse_object(data: bytes, path: Path) -> dict[str, Any]:
    """Parse the bytes of `path` as one JSON object.

    Raises:
        BackboneError: they are not a JSON object.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BackboneError(
            f"{path} is not valid JSON: {error} — download the checkpoint again"
        ) from error
    if not isinstance(value, dict):
        raise BackboneError(f"{path} is not a JSON object — download the checkpoint again")
    return value
