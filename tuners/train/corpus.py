"""The trainer's inputs: the texts' states, alone or in their session, and their targets."""

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
_BEFORE: Final = 2  # preceding turns in the teacher's context


def corpus_states(
    folder: Path,
    backbone: Backbone,
    data: TrainingData,
    *,
    layers: Sequence[int],
    max_tokens: int,
    progress: Progress | None = None,
) -> StatesCache:
    """Write the states of all texts to disk; turns of a session see the turns before them.

    After an interruption, the next call resumes where this one stopped.

    Raises:
        TunerError: the folder has other states, or the disk has too little space.
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
    """Write the teacher's vectors of all texts to disk; return them, float32 (n_texts, 384).

    Args:
        folder: Folder of the vectors.
        data: The texts.
        context: The target of a turn in a session is T(turn) + context · T(the two turns before it
            and the turn), scaled to unit norm, where T is the teacher.
        progress: Called with (texts done, total texts).

    Raises:
        TunerError: the folder has the vectors of other texts.
        MissingDependencyError: vectors are missing and the teacher is not installed.
    """
    targets = fill_targets(folder, data.texts, progress=progress)
    if context and data.sessions:
        together = fill_targets(folder / "context", before_it(data), progress=progress)
        mixed = targets[data.n_alone :] + np.float32(context) * together
        targets[data.n_alone :] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return targets


def before_it(data: TrainingData) -> list[str]:
    """Prefix each turn of a session with the two turns before it."""
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
