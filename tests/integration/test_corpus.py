"""Training states and targets of texts that stand alone and of turns in their sessions."""

from __future__ import annotations

import numpy as np
import pytest

from lmort_memory.backbone import Backbone
from lmort_memory.errors import TunerError
from lmort_memory.testing.tiny_gguf import write_tiny_gguf
from lmort_memory.tuners.states.sessions import session_states
from lmort_memory.tuners.train.corpus import before_it, corpus_states, corpus_targets
from lmort_memory.tuners.train.data import TrainingData
from lmort_memory.tuners.train.teacher import Teacher

ALONE = ("My sister keeps bees.", "The ferry leaves at nine.")
SESSIONS = (
    ("Where do you live?", "In Trondheim, near the fjord.", "Is it cold?", "In winter it is."),
    ("I baked bread.", "Was it good?"),
)
DATA = TrainingData(
    (*ALONE, *SESSIONS[0], *SESSIONS[1]),
    np.arange(8),
    np.full(8, -1),
    np.full((8, 0), -1),
    (),
    sessions=(4, 2),
)
LAYERS = (1, 3)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """The tiny model, open."""
    path = write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")
    with Backbone.open(path, n_threads=1) as opened:
        yield opened


def _states(folder, backbone, data=DATA, progress=None):
    return corpus_states(folder, backbone, data, layers=LAYERS, max_tokens=64, progress=progress)


def test_turns_have_the_states_of_their_session(backbone, tmp_path):
    """Lone texts are captured alone, the turns of a session behind one another."""
    cache = _states(tmp_path, backbone)
    expected = [
        *backbone.hidden_states(ALONE, LAYERS, max_tokens=64),
        *session_states(backbone, ["user", "assistant"] * 2, SESSIONS[0], layers=LAYERS),
        *session_states(backbone, ["user", "assistant"], SESSIONS[1], layers=LAYERS),
    ]
    assert len(expected) == len(DATA.texts)
    for index, states in enumerate(expected):
        found = cache.get(index)
        assert found.tokens == tuple(states.tokens)
        np.testing.assert_allclose(found.states, states.states, rtol=2e-3, atol=2e-3)
    alone = next(iter(backbone.hidden_states([SESSIONS[0][1]], LAYERS, max_tokens=64)))
    assert np.abs(cache.get(3).states - alone.states).max() > 0.01


@pytest.mark.parametrize("kept", [1, 2, 4, 7])
def test_a_killed_run_goes_on_within_a_session(backbone, tmp_path, kept):
    """Whatever text it stopped behind, the rest is what an uninterrupted run writes."""
    whole = _states(tmp_path / "whole", backbone)
    _states(tmp_path / "cut", backbone)
    lengths = tmp_path / "cut" / "lengths.u32"
    lengths.write_bytes(lengths.read_bytes()[: 4 * kept])
    again = _states(tmp_path / "cut", backbone)
    for index in range(len(DATA.texts)):
        np.testing.assert_array_equal(again.get(index).states, whole.get(index).states)


def test_other_sessions_of_the_same_texts_are_other_states(backbone, tmp_path):
    """A folder whose sessions were cut elsewhere is refused."""
    _states(tmp_path, backbone)
    other = TrainingData(
        DATA.texts, DATA.anchors, DATA.positives, DATA.negatives, (), sessions=(3, 3)
    )
    with pytest.raises(TunerError, match="mode"):
        _states(tmp_path, backbone, other)


def test_the_target_of_a_turn_is_shared_with_its_context(tmp_path):
    """Beside the turn's own vector counts that of the turn behind the two before it."""
    assert before_it(DATA)[3] == " ".join(SESSIONS[0][1:4])
    assert before_it(DATA)[4] == SESSIONS[1][0]
    plain = corpus_targets(tmp_path, DATA, context=0.0).copy()
    mixed = corpus_targets(tmp_path, DATA, context=0.5)
    np.testing.assert_array_equal(mixed[:2], plain[:2])
    expected = plain[5] + 0.5 * Teacher().encode([" ".join(SESSIONS[0][1:4])])[0]
    np.testing.assert_allclose(mixed[5], expected / np.linalg.norm(expected), atol=1e-5)
    np.testing.assert_allclose(mixed[2], plain[2], atol=1e-5)  # nothing stands before it
