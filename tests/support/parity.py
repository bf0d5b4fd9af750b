"""Hidden states of llama.cpp against those of `transformers` on the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers

from lmort_memory.backbone.library import llama, take_log_back
from lmort_memory.backbone.model import Backbone

TEXT = "The quick brown fox jumps over the lazy dog, and then it rests a while."

# llama.cpp keeps keys and values as float16 (11 bits) and looks GELU up in a float16 table, where
# `transformers` computes in float32. The largest single difference found over twelve architectures
# is 0.0037 of a layer's root mean square; the states of neighbouring layers differ by 0.3 and more.
TOLERANCE = 0.01


@dataclass(frozen=True)
class LayerDifference:
    """How far one layer's states are from the reference, in units of its root mean square."""

    layer: int
    largest: float
    mean: float


def tokens_of(text: str) -> list[int]:
    """Return a text's tokens in the byte vocabulary that all tiny models share."""
    return [3 + byte for byte in text.encode()]


def reference_states(
    model: transformers.PreTrainedModel, tokens: Sequence[int]
) -> list[np.ndarray]:
    """Return `hidden_states` of `transformers`: n_layer + 1 arrays (T, n_embd)."""
    with torch.no_grad():
        output = model(torch.tensor([list(tokens)]), output_hidden_states=True)
    return [states[0].numpy() for states in output.hidden_states]


def best_tokens(path: Path, tokens: Sequence[int]) -> np.ndarray:
    """Return llama.cpp's arg-max after each position."""
    llama()  # binds llama_cpp to the library in use, which need not be its own
    from llama_cpp import Llama

    take_log_back()
    model = Llama(str(path), n_ctx=128, n_batch=128, logits_all=True, verbose=False)
    model.eval(tokens)
    best = np.array(model.scores[: len(tokens)]).argmax(axis=1)
    model.close()
    return best


def reference_logits(model: transformers.PreTrainedModel, tokens: Sequence[int]) -> np.ndarray:
    """Return the logits of `transformers` after each position, (T, vocabulary)."""
    with torch.no_grad():
        return model(torch.tensor([list(tokens)])).logits[0].numpy()


def layer_differences(
    model: transformers.PreTrainedModel, path: Path, tokens: Sequence[int]
) -> list[LayerDifference]:
    """Compare every layer, 0 to n_layer, of the GGUF at `path` with `model`."""
    reference = reference_states(model, tokens)
    with Backbone.open(path) as backbone:
        found = backbone.states_of_tokens(tokens, range(backbone.n_layer + 1))
    differences = []
    for layer, (states, expected) in enumerate(zip(found.states, reference, strict=True)):
        error = np.abs(states - expected) / np.sqrt(np.square(expected).mean())
        differences.append(LayerDifference(layer, float(error.max()), float(error.mean())))
    return differences
