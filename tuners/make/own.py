"""The model's own directions for a tuner made here: from the kit's pairs, if time allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.encoder.artifact import Artifact
from lmort_memory.encoder.lexicon import load_lexicon
from lmort_memory.encoder.probe import mean_cosine
from lmort_memory.encoder.untrained import directions

from ..evaluate.held_out import encode_cache
from ..states.cache import fill
from ..train.blend import DIRECTIONS, PENALTY, blend, discriminants, inputs_of, with_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder.lmort import TextOf
    from lmort_memory.kit import KitPair
    from lmort_memory.types import Progress

    from ..states.cache import StatesCache

    Array = NDArray[np.float32]

__all__ = [
    "FEWEST_PAIRS",
    "WORDS_SHARES",
    "PairStates",
    "add_own_directions",
    "add_words",
    "capture_pairs",
]

FEWEST_PAIRS: Final = 200  # with fewer, discriminants know less than principal directions
WORDS_SHARES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Lengths of the words' vectors, beside 1 of the tuner's, that are tried."""
_QUESTION_TOKENS: Final = 48
_ANSWER_TOKENS: Final = 96


@dataclass(frozen=True, slots=True)
class PairStates:
    """States of questions and of their answers, in the same order."""

    questions: StatesCache
    answers: StatesCache


def capture_pairs(
    folder: Path,
    backbone: Backbone,
    pairs: Sequence[KitPair],
    *,
    layers: Sequence[int],
    progress: Progress | None = None,
) -> PairStates | None:
    """Capture the states of pairs, or read the cached ones; None without pairs.

    Args:
        folder: Where the states are kept.
        backbone: The model.
        pairs: Questions and answers.
        layers: Layers to capture.
        progress: Called with (answers done, all answers).

    Raises:
        TunerError: the folder has other states, or the disk is full.
    """
    if not pairs:
        return None
    questions = fill(
        folder / "questions",
        backbone,
        [pair.question for pair in pairs],
        layers=layers,
        max_tokens=_QUESTION_TOKENS,
    )
    answers = fill(
        folder / "answers",
        backbone,
        [pair.answer for pair in pairs],
        layers=layers,
        max_tokens=_ANSWER_TOKENS,
        progress=progress,
    )
    return PairStates(questions, answers)


def add_own_directions(
    fitted: Artifact, fit: StatesCache, pairs: PairStates | None, *, text_of: TextOf
) -> Artifact:
    """Add the model's own directions to a fitted tuner (`train.blend`).

    Those are principal directions; with pairs, as many discriminants beside them, in which a
    question and its answer agree (experiment 22). Together they are as long as the rest. `text_of`
    is the model's detokenizer.
    """
    if pairs is None:
        return blend(fitted, fit, lambda inputs: directions(inputs)[0].T, text_of=text_of)
    questions, answers = inputs_of(fitted, pairs.questions), inputs_of(fitted, pairs.answers)
    shared = discriminants(questions, answers, DIRECTIONS, PENALTY)

    def find(inputs: Array) -> Array:
        parts = (shared, directions(inputs)[0].T)
        return np.concatenate([_scaled(part, inputs) for part in parts], axis=1)

    return blend(fitted, fit, find, text_of=text_of)


def add_words(fitted: Artifact, held: StatesCache, wanted: Array, *, text_of: TextOf) -> Artifact:
    """Add the vectors of words to a fitted tuner, both in the space of the kit's teacher.

    They are as much longer than the tuner's as is nearest to the teacher on held-out texts: the
    less a tuner was shown, the longer.

    Args:
        fitted: The tuner.
        held: States of the held-out texts.
        wanted: The teacher's vectors of these.
        text_of: The model's detokenizer.
    """
    lexicon = load_lexicon()
    own = encode_cache(fitted, held)
    words = lexicon.vectors([text_of(held.get(i).tokens) for i in range(len(own))])
    best = max(WORDS_SHARES, key=lambda share: mean_cosine(own + np.float32(share) * words, wanted))
    return with_words(fitted, best)


def _scaled(found: Array, inputs: Array) -> Array:
    """Scale directions so that the inputs' projections have a mean length of 1."""
    lengths = np.linalg.norm((inputs - inputs.mean(axis=0)) @ found, axis=1)
    scaled: Array = found / np.float32(lengths.mean())
    return scaled
