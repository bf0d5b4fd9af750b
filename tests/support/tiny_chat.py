"""A tiny model with an untrained tuner: enough to run every part of a chat."""

from __future__ import annotations

from pathlib import Path

from lmort_memory.encoder.config import TunerConfig
from lmort_memory.testing.tiny_gguf import CHATML, write_tiny_gguf
from tests.support.tiny_tuner import write_tiny_tuner


def write_pair(
    folder: Path, *, n_ctx: int = 4096, chat_template: str | None = CHATML
) -> tuple[Path, Path]:
    """Write a tiny model and a tuner made for it; return both paths."""
    model = write_tiny_gguf(folder / "tiny.gguf", n_ctx=n_ctx, chat_template=chat_template)
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
    return model, write_tiny_tuner(folder / "tiny-tuner.gguf", model, config)
