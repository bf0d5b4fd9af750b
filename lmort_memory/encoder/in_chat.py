"""What the context of a chat adds to the states of a turn, and how to take it away.

The states of a turn depend on what stands before it. Much of that dependence is a constant: the
mean difference to the states of the same texts by themselves has nearly the same direction for
either speaker, after any system prompt and at any place in a conversation (cosine 0.88 to 0.99,
experiment 37). It is largest for the first tokens, which by themselves have hardly anything before
them. Left in, it makes all that was said in chats alike: such turns are nearer to a question asked
in a chat than what was imported, whatever they say. So it is measured once, kept in the tuner's
file, and subtracted.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lmort_memory.encoder.config import CHAT_PLACES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmort_memory.encoder.artifact import Artifact

    Array = NDArray[np.float32]

__all__ = ["added_by_chat", "place_of", "with_chat"]


def place_of(token: int) -> int:
    """Return the row of `CHAT_PLACES` that the number of a token in its turn belongs to."""
    return bisect_right(CHAT_PLACES, token) - 1


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
