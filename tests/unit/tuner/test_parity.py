"""The NumPy tuner and its torch twin compute the same vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lmort_memory.encoder.artifact import Artifact, TunerCard
from lmort_memory.encoder.config import BackboneIdentity, TunerConfig
from lmort_memory.encoder.tuner import Tuner
from lmort_memory.tuners.model import Lmort
from lmort_memory.types import HiddenStates

TOLERANCE = 1e-4
LENGTHS = (1, 7, 3)

SMALL = {"n_embd": 24, "align_layer": 1, "uniform_layer": 4, "n_head": 4, "n_ff": 40}
CONFIGS = {
    "A->U": TunerConfig(**SMALL, mode="A->U", width=16, dim=12),
    "U->A": TunerConfig(**SMALL, mode="U->A", width=16, dim=12),
    "only A": TunerConfig(**SMALL, mode="A", width=16, dim=16),
    "only U": TunerConfig(**SMALL, mode="U", width=16, dim=16),
    "unreduced": TunerConfig(**SMALL, width=24, dim=24, n_layer=3),
    "reduction": TunerConfig(**SMALL, width=16, dim=16, n_reduce=48),
    "pooled": TunerConfig(**SMALL, width=16, dim=12, pooled_layers=(0, 1, 2)),
    "pooled, no projection": TunerConfig(**SMALL, width=24, dim=24, pooled_layers=(3,)),
    "pooled alone": TunerConfig(**SMALL, n_layer=0, width=16, dim=12, pooled_layers=(1, 2)),
    "one layer twice": TunerConfig(**{**SMALL, "uniform_layer": 1}, width=16, dim=12),
}


def perturbed(config: TunerConfig, seed: int = 0) -> Lmort:
    """A network in which no tensor has its initial value, so that each one matters."""
    torch.manual_seed(seed)
    model = Lmort(config).eval()
    noise = torch.randn(1 << 20)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            offset = tensor.numel() % 977
            values = noise.roll(offset).repeat(tensor.numel() // len(noise) + 1)
            scale = 0.5 * tensor.shape[-1] ** -0.5 if tensor.ndim == 2 else 0.3
            base = 1.0 if name.endswith((".std", "norm.weight")) else 0.0
            tensor.copy_((base + scale * values[: tensor.numel()].clamp(-3, 3)).view_as(tensor))
    return model


def to_artifact(model: Lmort) -> Artifact:
    """The artifact of a network for a backbone that does not exist."""
    backbone = BackboneIdentity("b" * 32, "llama", 30, model.config.n_embd)
    return Artifact(TunerCard(model.config, backbone), model.weights())


def random_states(config: TunerConfig, length: int, seed: int) -> HiddenStates:
    """States as a backbone gives them, with one dimension far off the others."""
    rng = np.random.default_rng(seed)
    states = rng.standard_normal((len(config.layers), length, config.n_embd), dtype=np.float32)
    states[:, :, 3] += 5
    return HiddenStates(tuple(range(length)), config.layers, states)


def torch_vectors(model: Lmort, batch: list[HiddenStates]) -> np.ndarray:
    """Vectors of the torch network for padded states, unit norm."""
    longest = max(len(states.tokens) for states in batch)
    padded = torch.zeros(len(model.config.layers), len(batch), longest, model.config.n_embd)
    mask = torch.zeros(len(batch), longest, dtype=torch.bool)
    for row, states in enumerate(batch):
        padded[:, row, : len(states.tokens)] = torch.from_numpy(states.states)
        mask[row, : len(states.tokens)] = True
    with torch.no_grad():
        return torch.nn.functional.normalize(model(padded, mask), dim=-1).numpy()


@pytest.mark.parametrize("name", CONFIGS)
def test_numpy_equals_torch(name):
    """Both give the same vectors in every connection mode and with every optional part."""
    config = CONFIGS[name]
    model = perturbed(config)
    batch = [random_states(config, length, seed) for seed, length in enumerate(LENGTHS)]
    found = Tuner(to_artifact(model)).encode_batch(batch)
    assert np.abs(found - torch_vectors(model, batch)).max() < TOLERANCE
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
