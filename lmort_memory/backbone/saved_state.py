"""Save a KV cache to a file, so that a long chat reopens without another prefill.

    b"LMORTKV1" | length of the header | header, JSON | cells

The header has the model's fingerprint, the build of llama.cpp that made the cells, the tokens, the
caller's label, and a SHA-256 over these and the cells. llama.cpp trusts such data blindly, so only
data that passes the checksum reaches it. The file contains the conversation as token ids: it is as
private as the store.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from lmort_memory.backbone.runtime import build
from lmort_memory.errors import BackboneError
from lmort_memory.paths import replacing

_MAGIC = b"LMORTKV1"
_MAX_HEADER = 1 << 24  # a million tokens as JSON


@dataclass(frozen=True, slots=True)
class SavedState:
    """A sequence's tokens and cells, for the model with this fingerprint.

    `label` belongs to the caller, see `TokenSequence.save`.
    """

    fingerprint: str
    tokens: tuple[int, ...]
    cells: bytes
    label: str = ""


def write_state(path: Path, state: SavedState) -> None:
    """Write a state to a file atomically, with mode 0600.

    Raises:
        BackboneError: the file cannot be written.
    """
    header = json.dumps(
        {
            "fingerprint": state.fingerprint,
            "build": build(),
            "tokens": state.tokens,
            "label": state.label,
            "sha256": _checksum(state.tokens, state.label, state.cells),
        }
    ).encode()
    try:
        with replacing(path) as fresh, fresh.open("wb") as file:
            for part in (_MAGIC, len(header).to_bytes(8, "little"), header, state.cells):
                file.write(part)
    except OSError as error:
        raise BackboneError(
            f"the chat's state cannot be saved to {path}: {error.strerror} — "
            "the chat itself is stored and can be evaluated again"
        ) from error


def read_state(path: Path, fingerprint: str) -> SavedState | None:
    """Read a state back; None where it is missing, damaged, or not of this model and build."""
    try:
        if not path.is_file():  # a pipe would never end
            return None
        data = path.read_bytes()
    except OSError:
        return None
    size = int.from_bytes(data[8:16], "little")
    if data[:8] != _MAGIC or size > min(_MAX_HEADER, len(data)):
        return None
    try:
        header = json.loads(data[16 : 16 + size])
        tokens = tuple(int(token) for token in header["tokens"])
        label = str(header["label"])
        cells = data[16 + size :]
        expected = (fingerprint, build(), _checksum(tokens, label, cells))
        found = (header["fingerprint"], header["build"], header["sha256"])
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        return None
    return SavedState(fingerprint, tokens, cells, label) if found == expected else None


def _checksum(tokens: tuple[int, ...], label: str, cells: bytes) -> str:
    digest = hashlib.sha256(json.dumps([tokens, label]).encode())
    digest.update(cells)
    return digest.hexdigest()
