"""A tiny model with an untrained tuner: enough to run every part of a chat."""

from __future__ import annotations

from pathlib import Path

from lmort_memory.backbone import Backbone
from lmort_memory.encoder.artifact import write_artifact
from lmort_memory.encoder.config import BackboneIdentity, TunerConfig
from lmort_memory.testing.tiny_gguf import CHATML, write_tiny_gguf
from tests.support.tuners import artifact_of, perturbed


def write_pair(
    folder: Path, *, n_ctx: int = 4096, chat_template: str | None = CHATML
) -> tuple[Path, Path]:
    """Write a tiny model and a tuner made for it; return both paths."""
    model = write_tiny_gguf(folder / "tiny.gguf", n_ctx=n_ctx, chat_template=chat_template)
    with Backbone.open(model, n_threads=1) as backbone:
        identity = BackboneIdentity(
            backbone.fingerprint, backbone.facts.architecture, backbone.n_layer, backbone.n_embd
        )
    config = TunerConfig(
        n_embd=32,
        align_layer=1,
        uniform_layer=3,
        n_layer=1,
        n_head=4,
        width=32,
        n_ff=64,
        pooled_layers=(1, 3),
        dim=16,
    )
    tuner = folder / "tiny-tuner.gguf"
    write_artifact(tuner, artifact_of(perturbed(config), identity))
    return model, tuner
