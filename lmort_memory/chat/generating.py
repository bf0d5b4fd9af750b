"""A reply token by token, with the states of each: chosen by the model, or given to it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.backbone import Sampling, Vocabulary
    from lmort_memory.backbone.sequence import TokenSequence
    from lmort_memory.backbone.thinking import Thinking
    from lmort_memory.backbone.thread import Pending

__all__ = ["Keep", "Spoken", "dictate", "generate"]

Keep: TypeAlias = "Callable[[NDArray[np.float32]], None]"
"""Takes the states of a token, float32 (layers, 1, n_embd)."""

Spoken: TypeAlias = Generator[tuple[int, bytes], None, None]
"""The tokens of a reply with their bytes."""


def generate(
    sequence: TokenSequence,
    vocabulary: Vocabulary,
    *,
    sampling: Sampling,
    thinking: Thinking,
    at_most: int,
    keep: Keep,
) -> Spoken:
    """Yield each token of a reply and its bytes, while the token is evaluated.

    Ends at the model's end of turn, or at `at_most`. However it ends, every token is evaluated and
    `keep` has got its states.
    """
    left = at_most
    if not left:
        return
    sampler = sequence.sampler(sampling)
    waiting: int | None = None  # chosen, and not evaluated yet

    def evaluated(states: NDArray[np.float32]) -> None:
        nonlocal waiting
        waiting = None
        keep(states)

    pending: Pending[int] | None = None
    try:
        pending = sequence.advance(None, sampler, evaluated)
        while left and not vocabulary.is_end(token := pending.result()):
            waiting = token
            left -= 1
            if left:
                pending = sequence.advance(token, sampler, evaluated)
            yield token, _piece(vocabulary, thinking, token)
    finally:
        try:
            if pending is not None:
                pending.wait()  # it uses the sampler
        finally:
            sampler.close()
            if waiting is not None:
                evaluated(sequence.extend([waiting], logits=False))


def dictate(
    sequence: TokenSequence, vocabulary: Vocabulary, *, tokens: Sequence[int], keep: Keep
) -> Spoken:
    """Evaluate a given reply in one pass; yields what `generate` would."""
    states = sequence.extend(tokens, logits=False)
    for i, token in enumerate(tokens):
        keep(states[:, i : i + 1])
        yield token, vocabulary.piece(token)


def _piece(vocabulary: Vocabulary, thinking: Thinking, token: int) -> bytes:
    """Return the text of a token; for control tokens only what may mark reasoning."""
    piece = vocabulary.piece(token)
    if piece or not vocabulary.is_control(token):
        return piece
    control = vocabulary.piece(token, special=True)
    return control if thinking.may_be_part(control.decode("utf-8", "replace")) else b""
