"""`Tuner`: what it promises for whole texts, batches and bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lmort_memory.encoder import lmort as tuner_module
from lmort_memory.encoder.config import TunerConfig
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.types import HiddenStates
from tests.support.tuners import SMALL, artifact_of, perturbed, random_states


@pytest.fixture(scope="module")
def tuner() -> Tuner:
    """A small tuner with every part."""
    return Tuner(artifact_of(perturbed(SMALL)))


def test_a_vector_does_not_depend_on_its_batch(tuner):
    """A text has the same vector alone and among others of other lengths."""
    batch = [random_states(SMALL, length, seed=length) for length in (4, 1, 30, 2)]
    together = tuner.encode_batch(batch)
    alone = np.stack([tuner.encode(states) for states in batch])
    assert np.allclose(together, alone, atol=1e-6)
    assert together.dtype == np.float32


def test_long_batches_are_cut_into_packs(tuner, monkeypatch):
    """More rows than a pack holds, and a text longer than a pack, give the same vectors."""
    batch = [random_states(SMALL, length, seed=length) for length in (3, 9, 2, 20, 5)]
    whole = tuner.encode_batch(batch)
    monkeypatch.setattr(tuner_module, "_PACKED_ROWS", 10)
    assert np.allclose(tuner.encode_batch(batch), whole, atol=1e-6)


def test_the_input_is_left_as_it_was(tuner):
    """Encoding does not write into the caller's states."""
    states = random_states(SMALL, 6)
    before = states.states.copy()
    tuner.encode(states)
    assert np.array_equal(states.states, before)


def test_an_empty_batch_has_no_vectors(tuner):
    """No texts give an array with no rows and the right width."""
    assert tuner.encode_batch([]).shape == (0, SMALL.dim)


def test_more_layers_than_needed_are_fine(tuner):
    """Layers that the tuner does not read change nothing."""
    states = random_states(SMALL, 6)
    extra = np.concatenate([states.states[:1] * 9, states.states])
    wider = HiddenStates(states.tokens, (30, *states.layers), extra)
    assert np.array_equal(tuner.encode(wider), tuner.encode(states))


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, mode="U->A"), replace(SMALL, n_layer=0)])
def test_layers_are_ascending_and_distinct(config):
    """`layers` names each layer to capture once, in order."""
    assert list(config.layers) == sorted(set(config.layers))


def test_the_order_of_tokens_matters_only_through_the_states(tuner):
    """Attention is bidirectional and pooling a mean: permuted rows give the same vector."""
    states = random_states(SMALL, 9)
    turned = HiddenStates(states.tokens, states.layers, states.states[:, ::-1].copy())
    assert np.allclose(tuner.encode(states), tuner.encode(turned), atol=1e-6)


def test_bad_states_are_refused(tuner):
    """No tokens, a missing layer and another width are errors that say what was found."""
    good = random_states(SMALL, 4)
    empty = HiddenStates((), good.layers, good.states[:, :0])
    missing = HiddenStates(good.tokens, good.layers[:1], good.states[:1])
    narrow = HiddenStates(good.tokens, good.layers, good.states[:, :, :20])
    for states, words in ((empty, "empty"), (missing, "not captured"), (narrow, "must be")):
        with pytest.raises(ValueError, match=words):
            tuner.encode(states)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "A→U"},
        {"n_head": 5},
        {"width": 0},
        {"dim": -1},
        {"n_layer": 0, "pooled_layers": ()},
        {"pooled_layers": (4, 0)},
        {"pooled_layers": (-1,)},
        {"align_layer": 1 << 20},
    ],
)
def test_impossible_shapes_are_refused(change):
    """A shape that no network has is a ValueError at once."""
    with pytest.raises(ValueError, match=r"found|range"):
        replace(SMALL, **change)


def test_parameters_are_counted():
    """`n_parameters` counts weights and biases, not what is only measured."""
    config = TunerConfig(4, 0, 1, n_layer=0, pooled_layers=(0, 1), n_head=1, width=4, dim=3)
    assert config.n_parameters == 3 * 8 + 3
    assert replace(config, in_chat=1).n_parameters == config.n_parameters
