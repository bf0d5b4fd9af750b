"""The model's own directions beside the teacher's: what is found, and that folding is exact."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from lmort_memory.encoder.tuner import Tuner
from lmort_memory.errors import TunerError
from lmort_memory.tuners.blend import blend, can_blend, discriminants
from lmort_memory.tuners.closed_form import pooled_states
from lmort_memory.tuners.recipe import load_recipe, recipe_path
from lmort_memory.tuners.states import Manifest, fill_with
from lmort_memory.types import HiddenStates
from tests.support.tuners import SMALL, artifact_of, perturbed

N_PAIRS = 120
QUESTIONS, ANSWERS = np.arange(0, 2 * N_PAIRS, 2), np.arange(1, 2 * N_PAIRS, 2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Pairs that share four quiet dimensions of every layer among loud ones that say nothing."""
    rng = np.random.default_rng(0)
    subjects = rng.standard_normal((N_PAIRS, 4))

    def text(number: int) -> HiddenStates:
        states = 3 * rng.standard_normal((len(SMALL.layers), 1, SMALL.n_embd))
        states[..., 5:9] = subjects[number // 2] + 0.1 * rng.standard_normal(4)
        rows = states + 0.1 * rng.standard_normal((len(SMALL.layers), 6, SMALL.n_embd))
        return HiddenStates(tuple(range(6)), SMALL.layers, rows.astype(np.float32))

    manifest = Manifest("b" * 16, SMALL.layers, SMALL.n_embd, 6, "pairs", 2 * N_PAIRS)
    folder = tmp_path_factory.mktemp("pairs") / "cache"
    return fill_with(folder, manifest, lambda done: map(text, range(done, 2 * N_PAIRS)))


def from_pairs(inputs: np.ndarray, penalty: float = 1.0) -> np.ndarray:
    """Four discriminants of the pairs."""
    return discriminants(inputs[QUESTIONS], inputs[ANSWERS], 4, penalty)


def found_first(vectors: np.ndarray) -> float:
    """How often the nearest answer is a question's own."""
    near = (vectors[QUESTIONS] @ vectors[ANSWERS].T).argmax(axis=1)
    return float((near == np.arange(N_PAIRS)).mean())


def encoded(artifact, cache) -> np.ndarray:
    """Vectors of every text of the cache."""
    return Tuner(artifact).encode_batch([cache.get(i) for i in range(2 * N_PAIRS)])


def test_pairs_are_found_that_the_tuner_did_not_know(cache):
    """A tuner that ignores what pairs share finds them once it is blended with its states."""
    artifact = artifact_of(perturbed(SMALL))
    before = found_first(encoded(artifact, cache))
    blended = blend(artifact, cache, partial(from_pairs, penalty=0.01), share=3.0)
    assert before < 0.3
    assert found_first(encoded(blended, cache)) > 0.7
    assert blended.card.config == artifact.card.config


def test_folding_is_exact(cache):
    """The folded maps give the turned vectors of both parts, for texts of any length."""
    artifact = artifact_of(perturbed(SMALL))
    blended = blend(artifact, cache, from_pairs)
    batch = [cache.get(i) for i in range(2 * N_PAIRS)]
    outputs = Tuner(artifact).outputs(batch)
    stats = {k: tuple(artifact.weights[f"stats.{k}.{s}"] for s in ("mean", "std")) for k in (0, 4)}
    inputs = pooled_states(cache, (0, 4), stats)
    own = (inputs - inputs.mean(axis=0)) @ discriminants(inputs[QUESTIONS], inputs[ANSWERS], 4, 1.0)
    parts = [part / np.linalg.norm(part, axis=1).mean() for part in (outputs, own)]
    both = np.concatenate(parts, axis=1)
    unit = both / np.linalg.norm(both, axis=1, keepdims=True)
    axes = np.linalg.eigh(unit.T @ unit)[1][:, -SMALL.dim :]
    expected = (both @ axes) @ (both @ axes).T
    turned = Tuner(blended).outputs(batch)
    np.testing.assert_allclose(turned @ turned.T, expected, atol=2e-3)
    assert np.abs(unit @ axes @ axes.T - unit).max() < 0.5  # 16 of 20 axes keep most of it


def test_discriminants_are_those_of_the_planted_subspace():
    """With pairs that share one direction, the first discriminant is that direction."""
    rng = np.random.default_rng(1)
    shared = rng.standard_normal((400, 1))
    noise = rng.standard_normal((2, 400, 6)) * [0.3, 5, 5, 5, 5, 5]
    sides = noise + shared[None] * np.eye(6)[0]
    first = discriminants(*sides.astype(np.float32), 1, 1e-6)[:, 0]
    assert abs(first[0]) / np.linalg.norm(first) > 0.99


def test_without_maps_there_is_nothing_to_fold_into(cache):
    """The paper's network alone is refused, and the recipe says why pairs are needed."""
    alone = artifact_of(perturbed(replace(SMALL, pooled_layers=(), dim=SMALL.width)))
    assert not can_blend(alone)
    with pytest.raises(ValueError, match="pooled path"):
        blend(alone, cache, from_pairs)


def test_a_recipe_blends_pairs_only(tmp_path):
    """Sources of another kind in [blend] are an error that names them."""
    recipe = load_recipe(recipe_path("smollm2-135m"))
    assert recipe.blend is not None
    assert {source.kind for source in recipe.blend.sources} == {"pairs"}
    text = recipe_path("smollm2-135m").read_text()
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace('"pairs/qed", kind = "pairs"', '"pairs/qed", kind = "queries"'))
    with pytest.raises(TunerError, match=r"\[blend\]"):
        load_recipe(wrong)
