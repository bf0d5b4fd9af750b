"""Tuners and states that were never trained: for tests of arithmetic, files and plumbing."""

from __future__ import annotations

import numpy as np
import torch

from lmort_memory.encoder.artifact import Artifact, TunerCard
from lmort_memory.encoder.config import BackboneIdentity, TunerConfig
from lmort_memory.tuners.train.model import Lmort
from lmort_memory.types import HiddenStates

IDENTITY = BackboneIdentity("b" * 16, "llama", 30, 24)

SMALL = TunerConfig(
    n_embd=24,
    align_layer=1,
    uniform_layer=4,
    n_head=4,
    width=32,
    n_ff=64,
    pooled_layers=(0, 4),
    dim=16,
)


def perturbed(config: TunerConfig, seed: int = 0, *, one_block: bool = False) -> Lmort:
    """A network in which no tensor has its initial value, so that each one matters.

    `one_block` gives all blocks the memory of the first: GPT-J's tuner would fill three gigabytes.
    """
    torch.manual_seed(seed)
    with torch.device("meta"):
        model = Lmort(config)
        if one_block and config.n_layer:
            model.block = torch.nn.ModuleList([model.block[0]] * config.n_layer)
    model = model.to_empty(device="cpu").eval()
    noise = torch.randn(1 << 20).clamp(-3, 3)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            values = noise.roll(tensor.numel() % 977)
            scale = 0.5 * tensor.shape[-1] ** -0.5 if tensor.ndim == 2 else 0.3
            base = 1.0 if name.endswith((".std", "norm.weight")) else 0.0
            flat = tensor.view(-1)
            for start in range(0, len(flat), len(noise)):
                part = flat[start : start + len(noise)]
                torch.mul(values[: len(part)], scale, out=part).add_(base)
    return model


def artifact_of(model: Lmort, backbone: BackboneIdentity = IDENTITY) -> Artifact:
    """The artifact of a network, for a backbone that need not exist."""
    card = TunerCard(model.config, backbone, provenance={"recipe": "none", "steps": "0"})
    return Artifact(card, model.weights())


def random_states(config: TunerConfig, length: int, seed: int = 0) -> HiddenStates:
    """States as a backbone gives them, with one dimension far off the others."""
    rng = np.random.default_rng(seed)
    states = rng.standard_normal((len(config.layers), length, config.n_embd), dtype=np.float32)
    states[:, :, 3] += 5
    return HiddenStates(tuple(range(length)), config.layers, states)


def torch_vectors(model: Lmort, batch: list[HiddenStates]) -> np.ndarray:
    """Vectors of the torch network for packed states, unit norm."""
    packed = torch.from_numpy(np.concatenate([states.states for states in batch], axis=1))
    lengths = torch.tensor([len(states.tokens) for states in batch])
    with torch.no_grad():
        return torch.nn.functional.normalize(model(packed, lengths), dim=-1).numpy()
