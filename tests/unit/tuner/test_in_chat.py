"""What a chat adds to states: in the tuner's file beside what makes vectors, and subtracted."""

import numpy as np
import pytest

from lmort_memory.encoder.artifact import read_artifact, write_artifact
from lmort_memory.encoder.config import CHAT_PLACES
from lmort_memory.encoder.in_chat import added_by_chat, places_of, with_chat
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.errors import TunerError
from lmort_memory.modelfile.header import read_header
from tests.support.tuners import SMALL, artifact_of, perturbed, random_states


@pytest.fixture(scope="module")
def plain():
    """A tuner that knows nothing of chats."""
    return artifact_of(perturbed(SMALL))


@pytest.fixture(scope="module")
def added():
    """What a chat is taken to add."""
    shape = (len(SMALL.layers), len(CHAT_PLACES), SMALL.n_embd)
    return np.random.default_rng(2).standard_normal(shape).astype(np.float32)


def test_the_space_stays_the_same(tmp_path, plain, added):
    """The same vectors with it and without, so no record needs another vector."""
    write_artifact(tmp_path / "plain.gguf", plain)
    write_artifact(tmp_path / "chat.gguf", with_chat(plain, added))
    without, knowing = (read_artifact(tmp_path / f"{name}.gguf") for name in ("plain", "chat"))
    assert knowing.card.space == without.card.space
    assert added_by_chat(without) is None and Tuner(without).added_by_chat is None
    assert np.array_equal(added_by_chat(knowing), added)
    states = random_states(SMALL, 7)
    assert np.array_equal(Tuner(knowing).encode(states), Tuner(without).encode(states))
    versions = [
        read_header(tmp_path / f"{name}.gguf").metadata["lmort.format_version"]
        for name in ("plain", "chat")
    ]
    assert versions[0] < versions[1] == 4


def test_a_flipped_bit_is_found(tmp_path, plain, added):
    """As in every other tensor of the file."""
    path = tmp_path / "chat.gguf"
    write_artifact(path, with_chat(plain, added))
    data = bytearray(path.read_bytes())
    at = data.index(added[0, 3].tobytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(TunerError, match="damaged"):
        read_artifact(path)


def test_the_first_tokens_have_places_of_their_own():
    """Later ones share one with their neighbours."""
    assert places_of(7).tolist() == [0, 1, 2, 3, 4, 4, 5]
    assert places_of(5000)[[48, -1]].tolist() == [len(CHAT_PLACES) - 1] * 2
