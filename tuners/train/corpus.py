"""What a trainer reads of its texts: their states, alone or in their session, and their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ..states.cache import Manifest, fill, fill_with, texts_digest
from ..states.sessions import replay
from .teacher import fill_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.types import HiddenStates, Progress

    from ..states.cache import StatesCache
    from .data import TrainingData

__all__ = ["before_it", "corpus_states", "corpus_targets"]

_ROLES: Final = ("user", "assistant")
_BEFORE: Final = 2  # turns that a turn's context has for the teacher


def corpus_states(
    folder: Path,
    backbone: Backbone,
    data: TrainingData,
    *,
    layers: Sequence[int],
    max_tokens: int,
    progress: Progress | None = None,
) -> StatesCache:
    """Bring the states of all texts to disk: the turns of sessions behind those before them.

    Interrupted at any point, the next call goes on where this one stopped.

    Raises:
        TunerError: the folder holds other states, or the disk is too small.
    """
    if not data.sessions:
        return fill(
            folder, backbone, data.texts, layers=layers, max_tokens=max_tokens, progress=progress
        )
    manifest = Manifest(
        backbone.fingerprint,
        tuple(sorted(set(layers))),
        backbone.facts.n_embd,
        max_tokens,
        texts_digest(data.texts),
        len(data.texts),
        mode=f"alone, then sessions {texts_digest([str(n) for n in data.sessions])[:8]}",
    )

    def passes(done: int) -> Iterable[HiddenStates]:
        alone = data.texts[done : data.n_alone]
        yield from backbone.hidden_states(alone, manifest.layers, max_tokens=max_tokens)
        yield from replay(
            backbone, _sessions(data), layers=manifest.layers, done=max(0, done - data.n_alone)
        )

    return fill_with(folder, manifest, passes, progress=progress)


def corpus_targets(
    folder: Path, data: TrainingData, *, context: float, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Bring the teacher's vectors of all texts to disk; return them, float32 (n_texts, 384).

    Args:
        folder: Of the vectors.
        data: The texts.
        context: For a turn in its session the target is T(turn) + context · T(the two turns before
            it and the turn), T the teacher, scaled to unit norm.
        progress: Called with (texts done, texts).

    Raises:
        TunerError: the folder holds the vectors of other texts.
        MissingDependencyError: vectors are missing and so is the teacher.
    """
    targets = fill_targets(folder, data.texts, progress=progress)
    if context and data.sessions:
        together = fill_targets(folder / "context", before_it(data), progress=progress)
        mixed = targets[data.n_alone :] + np.float32(context) * together
        targets[data.n_alone :] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return targets


def before_it(data: TrainingData) -> list[str]:
    """Write each turn of a session behind the two turns before it."""
    texts, start = [], data.n_alone
    for n_turns in data.sessions:
        turns = data.texts[start : start + n_turns]
        texts += [" ".join(turns[max(0, i - _BEFORE) : i + 1]) for i in range(n_turns)]
        start += n_turns
    return texts


def _sessions(data: TrainingData) -> Iterator[tuple[list[str], Sequence[str]]]:
    """Yield the roles and the texts of each session."""
    start = data.n_alone
    for n_turns in data.sessions:
        yield [_ROLES[i % 2] for i in range(n_turns)], data.texts[start : start + n_turns]
        start += n_turns
