"""Training texts, sampled deterministically from a folder of JSONL files according to a recipe.

The folder has `text/SOURCE.jsonl.gz` with {"text"} and `pairs/SOURCE.jsonl.gz` with
{"query", "positive"}. The same folder, recipe and seed give the same texts in the same order.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.errors import TunerError

from ..jsonl import read_jsonl
from .recipe import DataRecipe, SourceRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["TrainingData", "cut_words", "load_folder", "split_turns"]

# Speakers as flattened dialogues name them: a role, "Speaker 2", or two capitalised words.
_SPEAKER: Final = re.compile(
    r"(?:^|(?<=\s))(?:User|System|Assistant|Agent|Speaker \d+|[A-Z][\w'-]+(?: [A-Z][\w'-]*)+): "
)
_MIN_CHARACTERS: Final = 8  # skip texts such as "Okay."

Unit = tuple[str, ...]  # (text,), (query, positive), or the turns of a session


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Distinct texts, and the training units as indices into them.

    Attributes:
        texts: Every text that needs states: first the distinct stand-alone texts, then the turns of
            sessions in order.
        anchors: int64 (U,): the text of a unit, or the query of a labelled pair.
        positives: int64 (U,): its positive; -1 if the unit is a single text.
        negatives: int64 (U, N): hard negatives; N may be 0; rows of single texts are -1.
        sources: What was used, for the tuner's provenance: (path, kind, units, licence).
        sessions: Number of turns per session; sessions are the last texts.
    """

    texts: tuple[str, ...]
    anchors: NDArray[np.int64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]
    sources: tuple[tuple[str, str, int, str], ...]
    sessions: tuple[int, ...] = ()

    @property
    def n_alone(self) -> int:
        """Number of stand-alone texts."""
        return len(self.texts) - sum(self.sessions)


def load_folder(folder: Path, recipe: DataRecipe) -> TrainingData:
    """Sample the units that a recipe asks for.

    Raises:
        TunerError: a source is missing or damaged.
    """
    index: dict[str, int] = {}
    rows: list[tuple[int, int]] = []
    sessions: list[Unit] = []
    sources: list[tuple[str, str, int, str]] = []
    for source in recipe.sources:
        drawn = _draw(folder, source, recipe)
        sources.append((source.path, source.kind, len(drawn), source.licence))
        if source.kind == "sessions":
            sessions += drawn
            continue
        for unit in drawn:
            ids = [index.setdefault(text, len(index)) for text in unit]
            rows.append((ids[0], ids[1] if len(ids) > 1 else -1))
    turns = [turn for session in sessions for turn in session]
    rows += [(len(index) + i, -1) for i in range(len(turns))]
    order = np.random.default_rng(recipe.seed).permutation(len(rows))
    table = np.array(rows, dtype=np.int64).reshape(-1, 2)[order]
    none = np.full((len(table), 0), -1, dtype=np.int64)
    return TrainingData(
        (*index, *turns),
        table[:, 0],
        table[:, 1],
        none,
        tuple(sources),
        tuple(len(session) for session in sessions),
    )


def split_turns(dialogue: str) -> list[str]:
    """Split a flattened dialogue into turns, without the speakers' names."""
    return [turn.strip() for turn in _SPEAKER.split(dialogue) if turn.strip()]


def cut_words(text: str, limit: int) -> str:
    """Truncate a text to `limit` words (0: no limit), keeping its white space."""
    for count, word in enumerate(re.finditer(r"\S+", text), 1):
        if count == limit:
            return text[: word.end()]
    return text


def _draw(folder: Path, source: SourceRecipe, recipe: DataRecipe) -> list[Unit]:
    """Sample up to `source.count` distinct units, with a separate seed per source."""
    units: dict[Unit, None] = {}
    for row in read_jsonl(folder / f"{source.path}.jsonl.gz"):
        for unit in _units(row, source.kind):
            cut = tuple(cut_words(text, recipe.max_words) for text in unit)
            if min(len(text) for text in cut) >= _MIN_CHARACTERS:
                units[cut] = None
    rng = random.Random(f"{recipe.seed} {source.path} {source.kind}")
    return rng.sample(list(units), min(source.count, len(units)))


def _units(row: dict[str, object], kind: str) -> list[Unit]:
    """Turn one row of a file into units of the kind that the recipe names."""
    if kind == "pairs":
        return [(_text(row, "query"), _text(row, "positive"))]
    if kind in ("queries", "positives"):
        return [(_text(row, "query" if kind == "queries" else "positive"),)]
    text = _text(row, "text")
    if kind == "sessions":
        turns = tuple(turn for turn in split_turns(text) if len(turn) >= _MIN_CHARACTERS)
        return [turns] if len(turns) > 1 else []
    return [(turn,) for turn in split_turns(text)] if kind == "turns" else [(text,)]


def _text(row: dict[str, object], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise TunerError(f"{key!r} of a training row must be text; found {value!r} — repair it")
    return value.strip()
