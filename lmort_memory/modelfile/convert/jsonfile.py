"""Read the JSON files of a checkpoint, which are as little trusted as the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lmort_memory.errors import BackboneError

__all__ = ["parse_object", "read_object"]

_MAX_BYTES = 1 << 26  # the tokenizer.json of a vocabulary of 256,000 has 35 MB


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file whose top level is an object.

    Raises:
        BackboneError: the file is missing, not regular, too large, or not such JSON.
    """
    try:
        if not path.is_file():
            raise BackboneError(f"the checkpoint has no file {path} — check the folder")
        if path.stat().st_size > _MAX_BYTES:
            raise BackboneError(
                f"{path} has {path.stat().st_size} bytes; at most {_MAX_BYTES} are accepted"
            )
        return parse_object(path.read_bytes(), path)
    except OSError as error:
        raise BackboneError(f"{path} cannot be read: {error.strerror}") from error


def parse_object(data: bytes, path: Path) -> dict[str, Any]:
    """Parse bytes of `path` as one JSON object.

    Raises:
        BackboneError: they are anything else.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BackboneError(
            f"{path} is not valid JSON: {error} — download the checkpoint again"
        ) from error
    if not isinstance(value, dict):
        raise BackboneError(f"{path} holds no JSON object — download the checkpoint again")
    return value
