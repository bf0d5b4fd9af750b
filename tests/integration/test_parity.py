"""The layers that are captured are the layers that `transformers` shows, on every architecture."""

import numpy as np
import pytest

from lmort_memory import BackboneError
from lmort_memory.backbone import Backbone
from tests.support.parity import TEXT, TOLERANCE, layer_differences, reference_states, tokens_of
from tests.support.tiny_hf import FAMILIES, SLIDING_WINDOW, write_tiny_hf


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_equals_transformers(family, tmp_path):
    """Layers 0 to n_layer are, within the rounding of float16 keys and values, hidden_states."""
    model = write_tiny_hf(family, tmp_path / "model.gguf", seed=1)
    differences = layer_differences(model, tmp_path / "model.gguf", tokens_of(TEXT))
    assert max(difference.largest for difference in differences) < TOLERANCE


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mistaken_layer_could_not_pass(family, tmp_path):
    """No two layers of a tiny model are alike: the parity test tells each from every other."""
    model = write_tiny_hf(family, tmp_path / "model.gguf", seed=1)
    states = np.array(reference_states(model, tokens_of(TEXT)))
    for layer, expected in enumerate(states):
        error = np.abs(np.delete(states, layer, axis=0) - expected).max(axis=(1, 2))
        assert error.min() > 20 * TOLERANCE * np.sqrt(np.square(expected).mean())


@pytest.mark.parametrize("family", ["gemma2", "gemma3"])
def test_the_sliding_window_matters(family, tmp_path):
    """The text is long enough for blocks with a sliding window to have lost its beginning."""
    tokens = tokens_of(TEXT)
    assert len(tokens) > 2 * SLIDING_WINDOW
    model = write_tiny_hf(family, tmp_path / "model.gguf", seed=1)
    changed = [tokens[0] + 1, *tokens[1:]]
    after_block_0 = [reference_states(model, ids)[1] for ids in (tokens, changed)]
    reaches = np.abs(after_block_0[0] - after_block_0[1]).max(axis=1) > 0
    assert reaches[:SLIDING_WINDOW].all()
    assert not reaches[SLIDING_WINDOW:].any()


def test_learned_positions_never_move_and_never_run_out(tmp_path):
    """GPT-2's context is held to its position table, and a gap there means evaluating again."""
    path = tmp_path / "gpt2.gguf"
    write_tiny_hf("gpt2", path, seed=1)
    with Backbone.open(path, n_threads=1) as gpt2:
        assert gpt2.facts.learned_positions
        sequence = gpt2.open_sequence(n_ctx=100_000)
        assert sequence.n_ctx == gpt2.facts.n_ctx_train
        with pytest.raises(BackboneError, match="do not fit"):
            sequence.extend([7] * (gpt2.facts.n_ctx_train + 1))
        assert not sequence.can_shift
        tokens = [10 + i % 90 for i in range(60)]
        sequence.extend([*tokens[:10], 5, 5, *tokens[10:]][:62])
        synced = sequence.sync([*tokens, 7])
        assert (synced.kept, synced.moved) == (10, 0)
        sequence.close()
