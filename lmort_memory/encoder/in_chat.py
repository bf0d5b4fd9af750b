"""What the context of a chat adds to the states of a turn, and how to take it away.

The states of a turn depend on what stands before it. Much of that dependence is a constant: the
mean difference to the states of the same texts by themselves has nearly the same direction for
either speaker, after both system prompts that were tried and at the third turn as at the first
(cosine 0.88 to 0.99; without a system prompt 0.79 to 0.83; experiment 37). By and large it is
larger for the first tokens, which by themselves have hardly anything before them. Left in, it makes
all that was said in chats alike: such turns are nearer to a question asked in a chat than what was
imported, whatever they say. So it is measured once, as a median, kept in the tuner's file, and
subtracted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lmort_memory.encoder.config import CHAT_PLACES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmort_memory.encoder.artifact import Artifact

    Array = NDArray[np.float32]

__all__ = ["added_by_chat", "places_of", "with_chat"]


def places_of(n_tokens: int) -> NDArray[np.intp]:
    """Return the row of `CHAT_PLACES` of each of a turn's tokens, (n_tokens,)."""
    return np.searchsorted(CHAT_PLACES, np.arange(n_tokens), side="right") - 1


def with_chat(artifact: Artifact, added: Array) -> Artifact:
    """Return a tuner that knows what a chat adds.

    Args:
        artifact: The tuner.
        added: float32 (n_layers, n_places, n_embd), in the order of its layers and `CHAT_PLACES`.
    """
    config = replace(artifact.card.config, in_chat=1)
    rows = added.astype(np.float32).reshape(-1, config.n_embd)
    named = dict(zip(config.chat_shapes(), rows, strict=True))
    card = replace(artifact.card, config=config)
    return replace(artifact, card=card, weights={**artifact.weights, **named})


def added_by_chat(artifact: Artifact) -> Array | None:
    """Return what `with_chat` was given; None if the tuner does not know."""
    config = artifact.card.config
    if not config.in_chat:
        return None
    rows = [artifact.weights[name] for name in config.chat_shapes()]
    return np.stack(rows).reshape(len(config.layers), len(CHAT_PLACES), config.n_embd)
