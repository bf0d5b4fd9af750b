"""Training texts, sampled deterministically from a folder of JSONL files according to a recipe.

The folder has `text/SOURCE.jsonl.gz` with {"text"} and `pairs/SOURCE.jsonl.gz` with
{"query", "positive"} and, where known, {"near", "group"}. The same folder, recipe and seed give the
same texts in the same order.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is sampled as one: (text,), (query, positive), or the turns of a session.

    Attributes:
        texts: Its texts.
        near: For a pair: texts on the same subject that do not answer the query.
        group: For a pair: others of this group may answer the query too; empty for none.
    """

    texts: tuple[str, ...]
    near: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Distinct texts, and the training units as indices into them.

    Attributes:
        texts: Every text that needs states: first the distinct stand-alone texts, then the turns of
            sessions in order.
        anchors: int64 (U,): the text of a unit, or the query of a labelled pair.
        positives: int64 (U,): its positive; -1 if the unit is a single text.
        negatives: int64 (U, N): hard negatives; N may be 0; -1 where a unit has no more of them.
        sources: What was used, for the tuner's provenance: (path, kind, units, licence).
        sessions: Number of turns per session; sessions are the last texts.
        groups: int64 (U,): pairs of one group are not each other's negatives; -1 for a pair by
            itself. None: all are.
    """

    texts: tuple[str, ...]
    anchors: NDArray[np.int64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]
    sources: tuple[tuple[str, str, int, str], ...]
    sessions: tuple[int, ...] = ()
    groups: NDArray[np.int64] | None = None

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
    groups: dict[str, int] = {"": -1}
    rows: list[tuple[int, ...]] = []
    sessions: list[tuple[str, ...]] = []
    sources: list[tuple[str, str, int, str]] = []
    for source in recipe.sources:
        drawn = _draw(folder, source, recipe)
        sources.append((source.path, source.kind, len(drawn), source.licence))
        if source.kind == "sessions":
            sessions += [unit.texts for unit in drawn]
            continue
        for unit in drawn:
            ids = [index.setdefault(text, len(index)) for text in (*unit.texts, *unit.near)]
            pair = (ids[0], ids[1] if len(unit.texts) > 1 else -1)
            group = groups.setdefault(unit.group, len(groups) - 1)
            near = ids[len(unit.texts) :]
            rows.append((*pair, group, *near, *[-1] * (recipe.n_negatives - len(near))))
    turns = [turn for session in sessions for turn in session]
    alone = [-1] * (2 + recipe.n_negatives)
    rows += [(len(index) + i, *alone) for i in range(len(turns))]
    order = np.random.default_rng(recipe.seed).permutation(len(rows))
    table = np.array(rows, dtype=np.int64).reshape(-1, 3 + recipe.n_negatives)[order]
    return TrainingData(
        (*index, *turns),
        table[:, 0],
        table[:, 1],
        table[:, 3:],
        tuple(sources),
        tuple(len(session) for session in sessions),
        table[:, 2],
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


def _draw(folder: Path, source: SourceRecipe, recipe: DataRecipe) -> list[_Unit]:
    """Sample up to `source.count` distinct units, with a separate seed per source."""
    units: dict[tuple[str, ...], _Unit] = {}
    for row in read_jsonl(folder / f"{source.path}.jsonl.gz"):
        for unit in _units(row, source.kind):
            cut = _cut(unit.texts, recipe)
            if min(len(text) for text in cut) >= _MIN_CHARACTERS:
                near = [text for text in _cut(unit.near, recipe) if len(text) >= _MIN_CHARACTERS]
                others = tuple(text for text in near if text not in cut)
                units.setdefault(cut, replace(unit, texts=cut, near=others))
    rng = random.Random(f"{recipe.seed} {source.path} {source.kind}")
    drawn = rng.sample(list(units.values()), min(source.count, len(units)))
    return [replace(unit, near=_some(rng, unit.near, recipe.n_negatives)) for unit in drawn]


def _cut(texts: tuple[str, ...], recipe: DataRecipe) -> tuple[str, ...]:
    return tuple(cut_words(text, recipe.max_words) for text in texts)


def _some(rng: random.Random, texts: tuple[str, ...], count: int) -> tuple[str, ...]:
    return tuple(rng.sample(texts, min(count, len(texts))))


def _units(row: dict[str, object], kind: str) -> list[_Unit]:
    """Turn one row of a file into units of the kind that the recipe names."""
    if kind == "pairs":
        pair = (_text(row, "query"), _text(row, "positive"))
        return [_Unit(pair, _near(row), _group(row))]
    if kind in ("queries", "positives"):
        return [_Unit((_text(row, "query" if kind == "queries" else "positive"),))]
    text = _text(row, "text")
    if kind == "sessions":
        turns = tuple(turn for turn in split_turns(text) if len(turn) >= _MIN_CHARACTERS)
        return [_Unit(turns)] if len(turns) > 1 else []
    return [_Unit((turn,)) for turn in split_turns(text)] if kind == "turns" else [_Unit((text,))]


def _near(row: dict[str, object]) -> tuple[str, ...]:
    values = row.get("near") or []
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise TunerError(f"'near' of a training row must be a list of text; found {values!r}")
    return tuple(one.strip() for one in values)


def _group(row: dict[str, object]) -> str:
    value = row.get("group") or ""
    if not isinstance(value, str):
        raise TunerError(f"'group' of a training row must be text; found {value!r} — repair it")
    return value


def _text(row: dict[str, object], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise TunerError(f"{key!r} of a training row must be text; found {value!r} — repair it")
    return value.strip()
