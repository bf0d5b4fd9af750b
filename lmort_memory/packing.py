"""Vectors and token codes as JSON, for exports, sync and borrowed models.

{"dim": …, "spans": [[0, 40], …], "data": base64 of little-endian floats,
 "tokens": {"kind": …, "width": bytes a token, "data": [base64, …]}}
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from lmort_memory.types import Encoded, TokenCodes

__all__ = ["pack", "unpack"]

Floats = Literal["<f2", "<f4"]


def pack(encoded: Encoded, *, floats: Floats) -> dict[str, Any]:
    """Return vectors as JSON; the store keeps them with the precision of "<f2"."""
    value = {
        "dim": encoded.vectors.shape[1],
        "spans": encoded.spans,
        "data": base64.b64encode(encoded.vectors.astype(floats).tobytes()).decode("ascii"),
    }
    if encoded.tokens is not None:
        value["tokens"] = {
            "kind": encoded.tokens.kind,
            "width": encoded.tokens.chunks[0].shape[1],
            "data": [base64.b64encode(one.tobytes()).decode() for one in encoded.tokens.chunks],
        }
    return value


def unpack(value: Mapping[str, Any], *, floats: Floats) -> Encoded:
    """Return the vectors that `pack` wrote.

    Raises:
        KeyError, TypeError, ValueError: it did not write them.
    """
    import numpy as np

    from lmort_memory.types import Encoded

    spans = tuple((int(start), int(stop)) for start, stop in value["spans"])
    flat = np.frombuffer(base64.b64decode(value["data"], validate=True), floats)
    vectors = flat.reshape(len(spans), int(value["dim"])).astype(np.float32)
    if not np.isfinite(vectors).all():
        raise ValueError("vectors must be finite; found NaN or infinity")
    return Encoded(vectors, spans, _tokens(value.get("tokens")))


def _tokens(value: Mapping[str, Any] | None) -> TokenCodes | None:
    if value is None:
        return None
    import numpy as np

    from lmort_memory.types import TokenCodes

    if not isinstance(value["kind"], str):
        raise TypeError(f"kind must be a string; got {value['kind']!r:.40}")
    blobs = [base64.b64decode(one, validate=True) for one in value["data"]]
    width = int(value["width"])
    chunks = tuple(np.frombuffer(blob, np.uint8).reshape(-1, width) for blob in blobs)
    return TokenCodes(value["kind"], chunks)
