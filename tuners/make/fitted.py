"""A tuner of any model that is fitted to the teacher: its shape, its card, and the closed form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.encoder.artifact import Artifact, TunerCard
from lmort_memory.encoder.config import TunerConfig
from lmort_memory.encoder.untrained import identity_of

from ..train.closed_form import pooled_states, ridge_behind, statistics

if TYPE_CHECKING:
    from lmort_memory.backbone import Backbone
    from lmort_memory.kit import Kit

    from ..states.cache import StatesCache
    from .plan import Plan

__all__ = ["CLOSED_FORM", "LMORT", "card_of", "closed_form", "config_of"]

CLOSED_FORM: Final = "closed form"
LMORT: Final = "LMORT"
_REMOVED: Final = 10  # principal directions, as in the at-once tier


def closed_form(backbone: Backbone, kit: Kit, plan: Plan, fit: StatesCache) -> Artifact:
    """Fit a linear map from the pooled states of the kit's texts to the teacher's vectors.

    Args:
        backbone: The model.
        kit: Texts with the teacher's vectors.
        plan: How many of them, and which layers.
        fit: Their states.
    """
    targets = kit.vectors[kit.n_held_out : kit.n_held_out + plan.n_fit]
    stats = statistics(fit)
    stats = {layer: stats[layer] for layer in plan.layers}
    inputs = pooled_states(fit, plan.layers, stats)
    # At this scale the entries of a vector are about 1, which suits AdamW's step size.
    scale = np.float32(targets.shape[1] ** 0.5)
    weight, bias = ridge_behind(inputs, targets * scale, removed=_REMOVED)
    config = config_of(backbone, kit, plan, n_layer=0)
    weights = {"pooled.weight": weight, "pooled.bias": bias}
    for layer, (mean, std) in stats.items():
        weights[f"stats.{layer}.mean"], weights[f"stats.{layer}.std"] = mean, std
    return Artifact(card_of(backbone, kit, plan, config, CLOSED_FORM), weights)


def config_of(backbone: Backbone, kit: Kit, plan: Plan, *, n_layer: int) -> TunerConfig:
    """Return the shape of a tuner of the planned layers; LMORT has `n_layer` blocks."""
    n_embd = backbone.n_embd
    width = min(256, n_embd)
    return TunerConfig(
        n_embd=n_embd,
        align_layer=plan.layers[0],
        uniform_layer=plan.layers[-1],
        n_layer=n_layer,
        n_head=max(n for n in (8, 4, 2, 1) if width % n == 0),
        width=width,
        n_ff=3 * width,
        pooled_layers=plan.layers,
        dim=kit.vectors.shape[1],
    )


def card_of(backbone: Backbone, kit: Kit, plan: Plan, config: TunerConfig, tier: str) -> TunerCard:
    """Return the card of a tuner: whose it is, and what it was made from."""
    provenance = {
        "recipe": "tuner make",
        "tier": tier,
        "data": f"calibration kit, {plan.n_fit} texts, {plan.n_pairs} pairs",
        "texts": str(plan.n_fit),
        "teacher": kit.teacher,
        "date": datetime.now(UTC).date().isoformat(),
    }
    if tier == LMORT:
        provenance["epochs"] = str(plan.epochs)
    return TunerCard(config, identity_of(backbone), provenance=provenance)
