"""The default model's states are those of `transformers` on the same weights."""

import pytest

from lmort_memory.backbone import Backbone, default_model_path
from tests.support.parity import layer_differences
from tests.support.quantised import requantise
from tests.support.smollm2 import TEXT, dequantised_smollm2


@pytest.fixture(scope="module")
def tokens():
    """A sentence behind the prefix of stand-alone text."""
    with Backbone.open(default_model_path()) as backbone:
        return [*backbone.prompts.prefix, *backbone.prompts.tokenize(TEXT)]


def test_float_weights_give_the_states_of_transformers(tokens, tmp_path):
    """With the dequantised weights every layer agrees to 0.1 % of its root mean square on average.

    What is left is the float16 of keys and values.
    """
    path = requantise(tmp_path / "f32.gguf", "F32")
    differences = layer_differences(dequantised_smollm2(), path, tokens)
    path.unlink()
    assert len(differences) == 31
    assert differences[0].largest == 0
    assert max(difference.mean for difference in differences) < 0.001
    assert max(difference.largest for difference in differences) < 0.03


def test_the_packaged_type_is_near(tokens):
    """Q4_1 rounds activations to 8 bits on the way: 3 % of a layer's root mean square at most."""
    differences = layer_differences(dequantised_smollm2(), default_model_path(), tokens)
    assert max(difference.mean for difference in differences) < 0.03
