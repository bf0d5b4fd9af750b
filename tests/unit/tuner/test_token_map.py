"""The map from a token's states to its code, and the comparison of a question with codes."""

from dataclasses import replace

import numpy as np
import pytest

from lmort_memory.encoder.artifact import read_artifact, write_artifact
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.errors import TunerError
from lmort_memory.types import TokenCodes
from tests.support.tuners import SMALL, artifact_of, perturbed, random_states

BITS = 16


@pytest.fixture(scope="module")
def plain():
    """A tuner without a map of tokens."""
    return artifact_of(perturbed(SMALL))


@pytest.fixture(scope="module")
def mapped(plain):
    """The same with one."""
    rng = np.random.default_rng(1)
    config = replace(plain.card.config, token_bits=BITS)
    maps = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in config.token_shapes().items()
    }
    weights = {**plain.weights, **maps}
    return replace(plain, card=replace(plain.card, config=config), weights=weights)


def _by_hand(artifact, states):
    """Standardise, put the layers side by side, map: what the class folds into one product."""
    weights = artifact.weights
    parts = [
        (states.layer(k) - weights[f"stats.{k}.mean"]) / weights[f"stats.{k}.std"]
        for k in artifact.card.config.layers
    ]
    rows = np.concatenate(parts, axis=1)
    return (
        rows @ weights["tokens.weight"].T + weights["tokens.bias"],
        (rows @ weights["salience.weight"].T + weights["salience.bias"])[:, 0],
    )


def test_codes_are_the_signs(mapped):
    """A code has a bit for each direction: on which side of the middle the token is."""
    states = random_states(SMALL, 9)
    codes = Tuner(mapped).token_map.codes(states)
    assert codes.shape == (9, BITS // 8) and codes.dtype == np.uint8
    expected = _by_hand(mapped, states)[0] > 0
    assert np.array_equal(np.unpackbits(codes, axis=1).astype(bool), expected)


def test_a_question_is_compared_token_by_token(mapped):
    """Each token of the question meets its nearest in the text; a text counts by its best chunk."""
    token_map = Tuner(mapped).token_map
    question = random_states(SMALL, 5, seed=3)
    texts = [[random_states(SMALL, n, seed=n)] for n in (4, 7)] + [
        [random_states(SMALL, 6, seed=8), random_states(SMALL, 2, seed=9)]
    ]
    codes = [TokenCodes("", tuple(token_map.codes(one) for one in text)) for text in texts]
    codes = [replace(one, kind=token_map.kind) for one in codes]
    vectors, salience = _by_hand(mapped, question)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.log1p(np.exp(salience))
    weights /= weights.sum()
    expected = []
    for text in texts:
        signs = [np.sign(_by_hand(mapped, one)[0]) / BITS**0.5 for one in text]
        expected.append(max((vectors @ s.T).max(axis=1) @ weights for s in signs))
    found = token_map.scores(token_map.asked([question]), codes)
    assert found == pytest.approx(expected, abs=1e-4)
    assert token_map.scores(token_map.asked([question]), []).shape == (0,)


def test_a_long_question_is_compared_by_what_tells_most(mapped):
    """A pasted page costs no more than a long sentence, and keeps its rarest tokens."""
    token_map = Tuner(mapped).token_map
    page = random_states(SMALL, 300)
    asked = token_map.asked([page])
    assert len(asked.vectors) == 64
    salience = np.sort(_by_hand(mapped, page)[1])[::-1][:64]
    weights = np.log1p(np.exp(salience))
    assert np.sort(asked.weights)[::-1] == pytest.approx(weights / weights.sum(), abs=1e-5)
    many = [TokenCodes(token_map.kind, (token_map.codes(page),))] * 80  # more than one run
    assert len(set(token_map.scores(asked, many).round(5))) == 1


def test_codes_of_another_map_are_refused(mapped):
    """Codes say whose they are, and are compared with no other's."""
    token_map = Tuner(mapped).token_map
    other = TokenCodes("other", (np.zeros((1, BITS // 8), np.uint8),))
    with pytest.raises(ValueError, match="other"):
        token_map.scores(token_map.asked([random_states(SMALL, 2)]), [other])


def test_a_map_leaves_the_space_as_it_is(plain, mapped, tmp_path):
    """Vectors and their fingerprint are the same with a map; the codes have a name of their own."""
    first = write_artifact(tmp_path / "plain.gguf", plain)
    second = write_artifact(tmp_path / "mapped.gguf", mapped)
    assert first == second
    loaded = read_artifact(tmp_path / "mapped.gguf")
    assert loaded.card.tokens and not read_artifact(tmp_path / "plain.gguf").card.tokens
    states = [random_states(SMALL, 6)]
    with_map, without = Tuner(loaded), Tuner.load(tmp_path / "plain.gguf")
    assert np.array_equal(with_map.encode_batch(states), without.encode_batch(states))
    assert without.token_map is None and with_map.token_map.kind == loaded.card.tokens


def test_a_damaged_map_is_refused(mapped, tmp_path):
    """A flipped bit in the map is an error, though the space would be the same."""
    path = tmp_path / "mapped.gguf"
    write_artifact(path, mapped)
    needle = mapped.weights["tokens.bias"].tobytes()
    data = path.read_bytes()
    at = data.index(needle)
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(TunerError, match="damaged"):
        read_artifact(path)
