"""Vectors and token codes on their way between a server and the programs that borrow its model.

Arrays travel as base64 of little-endian numbers, so both ends have the same bits: a borrowed
encoder stores and finds what the model itself would.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lmort_memory.types import AskedTokens, Encoded, TokenCodes, TokenEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmort_memory.serve.schemas import EncodedText
    from lmort_memory.types import Encoder

__all__ = ["query", "read_asked", "read_encoded", "texts"]


def texts(encoder: Encoder, given: Sequence[str], *, tokens: bool) -> list[EncodedText]:
    """Encode texts to be stored; codes of their tokens are sent if they are wanted."""
    from lmort_memory.serve.schemas import CodesOfTokens, EncodedText

    found: list[EncodedText] = []
    for one in encoder.encode(given):
        codes = None
        if tokens and one.tokens is not None:
            width = one.tokens.chunks[0].shape[1]
            chunks = [base64.b64encode(chunk.tobytes()).decode() for chunk in one.tokens.chunks]
            codes = CodesOfTokens(kind=one.tokens.kind, width=width, chunks=chunks)
        found.append(EncodedText(_written(one.vectors), list(one.spans), codes))
    return found


def query(encoder: Encoder, given: Sequence[str], *, tokens: bool) -> list[EncodedText]:
    """Encode questions, each to one vector; their tokens are sent if they are wanted."""
    from lmort_memory.serve.schemas import EncodedText, TokensOfQuery

    compares = isinstance(encoder, TokenEncoder) and encoder.token_kind is not None
    found: list[EncodedText] = []
    for text in given:
        asked = None
        if tokens and compares:
            assert isinstance(encoder, TokenEncoder)
            vector, its = encoder.encode_question(text)
            asked = TokensOfQuery(_written(its.vectors), _written(its.weights))
        else:
            vector = encoder.encode_query(text)
        found.append(EncodedText(_written(vector), [(0, len(text))], asked=asked))
    return found


def read_encoded(one: Mapping[str, Any], dim: int) -> Encoded:
    """Read what `texts` or `query` made of a text."""
    codes = one.get("codes")
    return Encoded(
        _read(one["vectors"], dim),
        tuple((int(start), int(end)) for start, end in one["spans"]),
        None if codes is None else TokenCodes(str(codes["kind"]), _chunks(codes)),
    )


def read_asked(one: Mapping[str, Any]) -> AskedTokens | None:
    """Read a question's tokens; None if the server sent none."""
    asked = one.get("asked")
    if asked is None:
        return None
    weights = _read(asked["weights"], 1)[:, 0]
    flat = _read(asked["vectors"], 1)
    return AskedTokens(flat.reshape(len(weights), -1), weights)


def _chunks(codes: Mapping[str, Any]) -> tuple[NDArray[np.uint8], ...]:
    width = int(codes["width"])
    return tuple(
        np.frombuffer(base64.b64decode(chunk), np.uint8).reshape(-1, width)
        for chunk in codes["chunks"]
    )


def _written(values: NDArray[np.float32]) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _read(text: str, width: int) -> NDArray[np.float32]:
    flat = np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
    return flat.reshape(-1, width)
