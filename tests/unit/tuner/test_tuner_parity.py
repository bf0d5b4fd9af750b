"""The NumPy tuner and its torch twin compute the same vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lmort_memory.encoder.config import TunerConfig
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.tuners.train.recipe import load_recipe, recipe_path
from tests.support.tuners import SMALL, artifact_of, perturbed, random_states, torch_vectors

TOLERANCE = 1e-4
PLAIN = replace(SMALL, pooled_layers=())

CONFIGS = {
    "A->U": PLAIN,
    "U->A": replace(PLAIN, mode="U->A"),
    "only A": replace(PLAIN, mode="A", dim=32),
    "only U": replace(PLAIN, mode="U", dim=32),
    "unreduced": replace(PLAIN, width=24, dim=24, n_layer=3),
    "reduction": replace(PLAIN, n_reduce=48, dim=32),
    "pooled": replace(SMALL, pooled_layers=(0, 1, 2)),
    "pooled, no projection": replace(SMALL, width=24, dim=24, pooled_layers=(3,)),
    "pooled alone": replace(SMALL, n_layer=0, pooled_layers=(1, 2)),
    "one layer twice": replace(PLAIN, uniform_layer=1),
}

# Widths of the models that the recipes are for; SmolLM2's is 576.
WIDTHS = {"gpt2-large": 1280, "gpt2-xl": 1600, "gpt-j-6b": 4096, "gpt-j-6b-reduced": 4096}
RECIPES = sorted(path.stem for path in recipe_path("smollm2-135m-first").parent.glob("*.toml"))


@pytest.mark.parametrize("name", CONFIGS)
def test_numpy_equals_torch(name):
    """Both give the same vectors in every connection mode and with every optional part."""
    assert_equal_vectors(CONFIGS[name], lengths=(1, 7, 3))


@pytest.mark.parametrize("name", RECIPES)
def test_numpy_equals_torch_in_the_shape_of_a_recipe(name):
    """Both give the same vectors in the full shape of every recipe that ships."""
    config = load_recipe(recipe_path(name)).config(WIDTHS.get(name, 576))
    assert_equal_vectors(config, lengths=(5, 2), one_block=True)


def assert_equal_vectors(
    config: TunerConfig, lengths: tuple[int, ...], *, one_block: bool = False
) -> None:
    """Compare unit vectors of a perturbed network on texts of different lengths."""
    model = perturbed(config, one_block=one_block)
    batch = [random_states(config, length, seed) for seed, length in enumerate(lengths)]
    found = Tuner(artifact_of(model)).encode_batch(batch)
    assert np.abs(found - torch_vectors(model, batch)).max() < TOLERANCE
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert abs(float(found[0] @ found[1])) < 0.9999, "vectors of different texts must differ"
