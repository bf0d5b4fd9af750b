"""Vectors and token codes on their way between a server and the programs that borrow its model.

Arrays travel as base64 of little-endian numbers, so both ends have the same bits: a borrowed
encoder stores and finds what the model itself would.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmort_memory.packing import pack, unpack
from lmort_memory.types import AskedTokens, TokenEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmort_memory.serve.schemas import EncodedText
    from lmort_memory.types import Encoded, Encoder

__all__ = ["query", "read_asked", "read_encoded", "texts"]


def texts(encoder: Encoder, given: Sequence[str], *, tokens: bool) -> list[EncodedText]:
    """Encode texts to be stored; codes of their tokens are sent if they are wanted."""
    from lmort_memory.serve.schemas import CodesOfTokens, EncodedText

    found: list[EncodedText] = []
    for one in encoder.encode(given):
        packed = pack(one if tokens else replace(one, tokens=None), floats="<f4")
        its = packed.get("tokens")
        codes = None if its is None else CodesOfTokens(its["kind"], its["width"], its["data"])
        found.append(EncodedText(packed["data"], list(one.spans), codes))
    return found


def query(encoder: Encoder, given: Sequence[str], *, tokens: bool) -> list[EncodedText]:
    """Encode questions, each to one vector; their tokens are sent if they are wanted."""
    from lmort_memory.serve.schemas import EncodedText, TokensOfQuery

    found: list[EncodedText] = []
    for text in given:
        asked = None
        if tokens and isinstance(encoder, TokenEncoder) and encoder.token_kind is not None:
            vector, its = encoder.encode_question(text)
            asked = TokensOfQuery(_written(its.vectors), _written(its.weights))
        else:
            vector = encoder.encode_query(text)
        found.append(EncodedText(_written(vector), [(0, len(text))], asked=asked))
    return found


def read_encoded(one: Mapping[str, Any], dim: int) -> Encoded:
    """Read what `texts` or `query` made of a text."""
    codes = one.get("codes")
    packed = {"dim": dim, "spans": one["spans"], "data": one["vectors"]}
    if codes is not None:
        packed["tokens"] = {**codes, "data": codes["chunks"]}
    return unpack(packed, floats="<f4")


def read_asked(one: Mapping[str, Any]) -> AskedTokens | None:
    """Read a question's tokens; None if the server sent none."""
    asked = one.get("asked")
    if asked is None:
        return None
    weights = _read(asked["weights"], 1)[:, 0]
    flat = _read(asked["vectors"], 1)
    return AskedTokens(flat.reshape(len(weights), -1), weights)


def _written(values: NDArray[np.float32]) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _read(text: str, width: int) -> NDArray[np.float32]:
    flat = np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
    return flat.reshape(-1, width)
