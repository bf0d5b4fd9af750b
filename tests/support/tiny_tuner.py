"""A tuner of random weights, written without torch: it works, and is not any good."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lmort_memory.backbone import Backbone
from lmort_memory.encoder.artifact import Artifact, TunerCard, write_artifact
from lmort_memory.encoder.config import BackboneIdentity, TunerConfig


def write_tiny_tuner(path: Path, model: Path, config: TunerConfig, *, seed: int = 0) -> Path:
    """Write a tuner of this shape for a model, no tensor of it at its initial value."""
    with Backbone.open(model, n_threads=1) as backbone:
        identity = BackboneIdentity(
            backbone.fingerprint, backbone.facts.architecture, backbone.n_layer, backbone.n_embd
        )
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in config.tensor_shapes().items():
        scale = shape[-1] ** -0.5 if len(shape) == 2 else 0.3
        base = 1.0 if name.endswith((".std", "norm.weight")) else 0.0
        noise = rng.standard_normal(shape).clip(-3, 3)
        weights[name] = (base + scale * noise).astype(np.float32)
    card = TunerCard(config, identity, provenance={"recipe": "none"})
    write_artifact(path, Artifact(card, weights))
    return path
