"""The kit: short texts with teacher vectors, from which a tuner can be made for any model.

A few thousand conversation turns, notes, questions and passages, under licences that allow
redistribution (`ATTRIBUTION.md` beside this file names every source), each with its vector from
all-MiniLM-L6-v2. They are enough to fit a tuner offline, without the teacher.

The order is random, so the first n texts are a fair sample. The first texts are held out from
fitting; they come in groups of four: a question, the passage that answers it, a turn, a note.
`benchmarks.kit.draw_kit` made the files.

A few thousand pairs of a question and the passage that answers it are kept apart, without vectors:
they show in which directions of a model's states both agree (`benchmarks.kit.draw_pairs`).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zipfile import BadZipFile

from lmort_memory.errors import TunerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "HELD_OUT_GROUP",
    "PAIRS_FILE",
    "TEXTS_FILE",
    "VECTORS_FILE",
    "Kit",
    "KitPair",
    "KitText",
    "load_kit",
    "load_pairs",
]

TEXTS_FILE: Final = "texts.jsonl.gz"
VECTORS_FILE: Final = "vectors.npz"
PAIRS_FILE: Final = "pairs.jsonl.gz"
HELD_OUT_GROUP: Final = 4  # question, its passage, turn, note


@dataclass(frozen=True, slots=True)
class KitText:
    """A text of the kit; `kind` is "turn", "note", "question" or "passage"."""

    text: str
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class KitPair:
    """A question and a passage that answers it; neither is held out in the kit."""

    question: str
    answer: str
    source: str


@dataclass(frozen=True, slots=True)
class Kit:
    """Texts, held-out ones first, with the teacher's vectors.

    Attributes:
        items: The texts.
        n_held_out: How many of them are for evaluation only; a multiple of `HELD_OUT_GROUP`.
        vectors: float32 (len(items), 384), unit norm; stored as int8, an error of less than 0.01
            per vector.
        teacher: Name of the model that made the vectors.
    """

    items: tuple[KitText, ...]
    n_held_out: int
    vectors: NDArray[np.float32]
    teacher: str

    @property
    def n_fit(self) -> int:
        """How many texts are for fitting."""
        return len(self.items) - self.n_held_out

    def texts(self, start: int, stop: int) -> list[str]:
        """Return the texts [start, stop)."""
        return [item.text for item in self.items[start:stop]]


def load_kit(folder: Path | None = None) -> Kit:
    """Load the kit that ships, in about 50 ms.

    Args:
        folder: Folder of another kit, made by `benchmarks.kit.draw_kit`.

    Raises:
        TunerError: the kit's files are missing, damaged, or do not belong together.
    """
    import numpy as np

    folder = folder or Path(__file__).parent
    try:
        with gzip.open(folder / TEXTS_FILE, "rt", encoding="utf-8") as lines:
            items = tuple(KitText(**json.loads(line)) for line in lines)
        whole = io.BytesIO((folder / VECTORS_FILE).read_bytes())
        with np.load(whole, allow_pickle=False) as stored:
            vectors = stored["rows"].astype(np.float32)
            n_held_out, teacher = int(stored["n_held_out"]), str(stored["teacher"])
            digest = str(stored["texts"])
    except (OSError, EOFError, ValueError, TypeError, KeyError, BadZipFile) as error:
        raise TunerError(
            f"cannot read the calibration kit in {folder}: {error} — reinstall lmort-memory"
        ) from error
    if digest != items_digest(items) or len(vectors) != len(items):
        raise TunerError(
            f"the calibration kit in {folder} is damaged: its vectors belong to other texts — "
            "reinstall lmort-memory"
        )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Kit(items, n_held_out, vectors, teacher)


def items_digest(items: Sequence[KitText]) -> str:
    """Hash of the texts in order; 32 hex digits."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{len(item.text)}\0{item.text}".encode())
    return digest.hexdigest()[:32]


def load_pairs(folder: Path | None = None) -> tuple[KitPair, ...]:
    """Load the kit's pairs, in random order: the first n are a fair sample.

    Args:
        folder: Folder of other pairs, made by `benchmarks.kit.draw_pairs`.

    Raises:
        TunerError: the file is missing or damaged.
    """
    path = (folder or Path(__file__).parent) / PAIRS_FILE
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return tuple(KitPair(**json.loads(line)) for line in lines)
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise TunerError(f"cannot read {path}: {error} — reinstall lmort-memory") from error
