"""The model's own directions beside the teacher's: what is found, and what is put together."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.make_average import average
from lmort_memory.encoder.artifact import read_artifact, write_artifact
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.errors import TunerError
from lmort_memory.tuners.states.cache import Manifest, fill_with
from lmort_memory.tuners.train.blend import blend, discriminants, own_directions
from lmort_memory.tuners.train.closed_form import pooled_states
from lmort_memory.tuners.train.recipe import load_recipe, recipe_path
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
    assert blended.card.config == replace(artifact.card.config, own_layers=SMALL.layers)


def test_both_parts_are_put_together_as_stated(cache):
    """A blended vector is the unit vector beside the own directions, on their principal axes."""
    artifact = artifact_of(perturbed(SMALL))
    blended = blend(artifact, cache, from_pairs, share=0.7)
    batch = [cache.get(i) for i in range(2 * N_PAIRS)]
    stats = {k: tuple(artifact.weights[f"stats.{k}.{s}"] for s in ("mean", "std")) for k in (1, 4)}
    stats |= {0: tuple(artifact.weights[f"stats.0.{s}"] for s in ("mean", "std"))}
    inputs = pooled_states(cache, SMALL.layers, stats)
    own = (inputs - inputs.mean(axis=0)) @ from_pairs(inputs)
    own *= 0.7 / np.linalg.norm(own, axis=1).mean()
    both = np.concatenate([Tuner(artifact).encode_batch(batch), own], axis=1)
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


def test_few_wide_pairs_give_the_same_discriminants_as_the_whole_space():
    """Fewer rows than dimensions are solved in their span, which changes nothing."""
    rng = np.random.default_rng(2)
    sides = rng.standard_normal((2, 10, 30)).astype(np.float32) + rng.standard_normal((10, 30))
    padded = np.concatenate([sides, np.repeat(sides.mean(axis=1, keepdims=True), 20, 1)], axis=1)
    few = discriminants(*sides.astype(np.float32), 3, 1.0)
    whole = discriminants(*padded.astype(np.float32), 3, 1.0)  # the same scatter, from 30 rows
    cosines = (
        (few * whole).sum(axis=0) / np.linalg.norm(few, axis=0) / np.linalg.norm(whole, axis=0)
    )
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-3)


def test_the_papers_network_alone_can_be_blended(cache):
    """Without a pooled path of its own, a tuner's layers still give their directions."""
    alone = artifact_of(perturbed(replace(SMALL, pooled_layers=(), dim=SMALL.width)))
    blended = blend(alone, cache, from_pairs)
    assert blended.card.config.own_layers == (1, 4)
    assert Tuner(blended).dim == SMALL.width
    assert np.isfinite(encoded(blended, cache)).all()


def test_a_blended_tuner_is_not_blended_again(cache):
    """The second time is refused, naming the layers."""
    blended = blend(artifact_of(perturbed(SMALL)), cache, from_pairs)
    with pytest.raises(ValueError, match=r"\(0, 1, 4\)"):
        blend(blended, cache, from_pairs)


def test_a_blended_tuner_survives_its_file(cache, tmp_path):
    """Written and read again, it gives the same vectors."""
    blended = blend(artifact_of(perturbed(SMALL)), cache, from_pairs)
    write_artifact(tmp_path / "blended.gguf", blended)
    again = read_artifact(tmp_path / "blended.gguf")
    np.testing.assert_allclose(encoded(again, cache), encoded(blended, cache), atol=5e-3)


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


def test_a_recipe_finds_directions_or_keeps_them(tmp_path):
    """Pairs and `keep`, neither, or `keep` without a tuner to start from, are errors."""
    text = recipe_path("smollm2-135m").read_text()
    before = text.partition("[blend]")[0]
    wrong = tmp_path / "wrong.toml"
    for unclear, words in (
        (text.replace("[blend]", "[blend]\nkeep = true"), "not both"),
        (before + "[blend]", "not both"),
        (before + "[blend]\nkeep = true", "start"),
    ):
        wrong.write_text(unclear)
        with pytest.raises(TunerError, match=words):
            load_recipe(wrong)


def test_tuners_are_averaged():
    """Weight by weight, by their shares; other shapes are refused, and shares that sum to less."""
    one, other = (artifact_of(perturbed(SMALL, seed=seed)) for seed in (1, 2))
    middle = average([one, other], [0.25, 0.75])
    for name, found in middle.weights.items():
        expected = 0.25 * one.weights[name] + 0.75 * other.weights[name]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    wider = artifact_of(perturbed(replace(SMALL, n_ff=2 * SMALL.n_ff)))
    for tuners, shares in (([one, other], [0.5, 0.4]), ([one, wider], [0.5, 0.5])):
        with pytest.raises(ValueError, match="found"):
            average(tuners, shares)


def test_own_directions_are_taken_over(cache):
    """Beside another trained part they span what they did in the tuner that they are from."""
    blended = blend(artifact_of(perturbed(SMALL)), cache, from_pairs)
    taken = own_directions(blended)
    other = blend(artifact_of(perturbed(SMALL, seed=5)), cache, lambda _: taken)
    together = np.hstack([taken, own_directions(other)])
    ranks = [np.linalg.matrix_rank(one, tol=1e-3) for one in (taken, together)]
    assert ranks[0] == ranks[1] < min(taken.shape)
    with pytest.raises(TunerError, match="no own directions"):
        own_directions(artifact_of(perturbed(SMALL)))
