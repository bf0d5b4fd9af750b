"""Measure what the context of a chat adds to states (`lmort_memory.encoder.in_chat`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.chat import SYSTEM
from lmort_memory.chat.window import Window, WindowOptions
from lmort_memory.encoder.config import CHAT_PLACES
from lmort_memory.encoder.in_chat import places_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone

    Array = NDArray[np.float32]

__all__ = ["EXCHANGES", "measure"]

EXCHANGES: Final = 48
_IN_A_ROW: Final = 3  # exchanges of a conversation
_LONGEST: Final = 240  # characters of a text, as people chat
_N_CTX: Final = 1024
_SMALLEST: Final = 512  # context of a model to chat with


def measure(
    backbone: Backbone, layers: Sequence[int], exchanges: Sequence[tuple[str, str]]
) -> Array | None:
    """Return the median difference of states in a chat and by themselves, by place in the turn.

    The chat has the model's own template and the default system prompt. A few tokens of a text on
    its own have states many times as long as the rest, which they do not have in a chat. They would
    dominate a mean, so this is a median. All states are held in memory, some 4 kB a layer, token
    and thousand dimensions.

    Args:
        backbone: The model.
        layers: Whose states.
        exchanges: What is said and answered; the beginning of each text counts.

    Returns:
        float32 (len(layers), len(CHAT_PLACES), n_embd); beyond the longest text as at its end. None
        for a model whose context is too small for a conversation.

    Raises:
        BackboneError: llama.cpp refused.
    """
    said = [text[:_LONGEST] for exchange in exchanges for text in exchange]
    if (backbone.facts.n_ctx_train or _N_CTX) < _SMALLEST:
        return None
    alone = backbone.hidden_states(said, layers, max_tokens=_N_CTX)
    found: list[list[Array]] = [[] for _ in CHAT_PLACES]
    for inside, states in zip(_chatted(backbone, layers, said), alone, strict=True):
        length = min(inside.shape[1], len(states.tokens))
        for token, place in enumerate(places_of(length)):
            found[place].append(inside[:, token] - states.states[:, token])
    return _medians(found, np.zeros((len(layers), backbone.n_embd), np.float32))


def _medians(found: Sequence[Sequence[Array]], before: Array) -> Array:
    """Medians by place, (n_layers, n_places, n_embd); where there is none, the one before."""
    medians = []
    for differences in found:
        before = np.median(differences, axis=0).astype(np.float32) if differences else before
        medians.append(before)
    return np.stack(medians, axis=1)


def _chatted(backbone: Backbone, layers: Sequence[int], said: Sequence[str]) -> Iterator[Array]:
    """Hold conversations of these turns, and yield the states of each turn."""
    for start in range(0, len(said), 2 * _IN_A_ROW):
        options = WindowOptions(n_ctx=_N_CTX, system=SYSTEM, old_notes="shift")
        window = Window(backbone, backbone.prompts, layers=layers, options=options)
        try:
            # Half of the context is for the template around so many turns.
            longest = max(1, window.longest_message(0) // (4 * _IN_A_ROW))
            texts = said[start:][: 2 * _IN_A_ROW]
            turns = [backbone.prompts.tokenize(text)[:longest] for text in texts]
            for asked, answer in zip(turns[::2], turns[1::2], strict=True):
                yield window.enter(asked)
                window.open_reply("")
                spoken: list[Array] = []
                for _ in window.dictate(answer, spoken.append):
                    pass
                window.close_reply(answer, ())
                yield np.concatenate(spoken, axis=1)
        finally:
            window.close()
