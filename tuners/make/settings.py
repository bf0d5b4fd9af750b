"""Settings of the LMORT that `tuner make` trains."""

from __future__ import annotations

from typing import Final

from ..train.recipe import DataRecipe, LossRecipe, Recipe, TrainRecipe

__all__ = ["MAX_TOKENS", "lmort_recipe"]

MAX_TOKENS: Final = 96  # of a text
_BATCH: Final = 64


def lmort_recipe(epochs: int) -> Recipe:
    """Settings of the tuner that ships (experiment 5), with smaller batches for fewer texts."""
    return Recipe(
        name="tuner make",
        model="any",
        tuner={},
        data=DataRecipe(max_tokens=MAX_TOKENS),
        loss=LossRecipe(distillation=1.0, cosine_weight=30.0),
        train=TrainRecipe(epochs=epochs, batch_size=_BATCH, learning_rate=1e-3, pooled_rate=0.02),
    )
