"""Vectors and token codes cross to a program that borrows a model, and are the same there."""

import json

import msgspec
import numpy as np
import pytest

from lmort_memory.encoder import token_scores
from lmort_memory.packing import pack, unpack
from lmort_memory.serve import wire
from lmort_memory.testing import HashEncoder

TEXTS = ["Ada keeps bees in Trondheim.", "one two three four five six seven"]


def sent(made):
    """Return what the other program reads."""
    return json.loads(msgspec.json.encode(made))


@pytest.mark.parametrize("tokens", [True, False])
def test_records_cross(tokens):
    """Vectors, spans and codes arrive bit by bit; codes only where they are wanted."""
    encoder = HashEncoder(chunk=3, tokens=True)
    arrived = sent(wire.texts(encoder, TEXTS, tokens=tokens))
    for one, own in zip(arrived, encoder.encode(TEXTS), strict=True):
        read = wire.read_encoded(one, encoder.dim)
        assert np.array_equal(read.vectors, own.vectors)
        assert read.spans == own.spans
        assert (read.tokens is not None) == tokens
        if read.tokens is not None:
            assert read.tokens.kind == own.tokens.kind
            assert all(map(np.array_equal, read.tokens.chunks, own.tokens.chunks))


def test_questions_cross():
    """A question's vector and tokens arrive, and compare as they do at home."""
    encoder = HashEncoder(tokens=True)
    (one,) = sent(wire.query(encoder, ["Who keeps bees?"], tokens=True))
    vector, asked = encoder.encode_question("Who keeps bees?")
    read = wire.read_asked(one)
    assert np.array_equal(wire.read_encoded(one, encoder.dim).vectors[0], vector)
    codes = [encoded.tokens for encoded in encoder.encode(TEXTS)]
    assert token_scores(read, codes, kind=encoder.token_kind) == pytest.approx(
        encoder.token_scores(asked, codes), abs=1e-6
    )
    with pytest.raises(ValueError, match="other"):
        token_scores(read, codes, kind="other")


def test_an_encoder_without_tokens_sends_none():
    """The vector comes alone."""
    (one,) = sent(wire.query(HashEncoder(), ["bees"], tokens=True))
    assert wire.read_asked(one) is None
    assert wire.read_encoded(one, 64).tokens is None


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("floats", ["<f2", "<f4"])
def test_a_number_that_is_none_is_refused(wrong, floats):
    """Before it reaches a store: a bundle or an export of another program may hold it."""
    (made,) = HashEncoder().encode(["Ada keeps bees"])
    made.vectors[0, 3] = wrong
    with pytest.raises(ValueError, match="NaN or infinity"):
        unpack(pack(made, floats=floats), floats=floats)
