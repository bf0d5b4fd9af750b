"""The calibration kit: short texts with their teacher's vectors, so that any model gets a tuner.

A few thousand conversation turns, notes, questions and passages, under licences that allow them to
ship (`ATTRIBUTION.md` beside this file names every source), each with the vector that
all-MiniLM-L6-v2 gives it. With them a tuner is fitted to a model offline and without the teacher.

The order is drawn: every beginning of the kit is a fair sample of it. The first texts are held out
from fitting; they come in fours: a question, the passage that answers it, a turn, a note.
`benchmarks.kit.draw_kit` made the files.
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

__all__ = ["HELD_OUT_GROUP", "TEXTS_FILE", "VECTORS_FILE", "Kit", "KitText", "load_kit"]

TEXTS_FILE: Final = "texts.jsonl.gz"
VECTORS_FILE: Final = "vectors.npz"
HELD_OUT_GROUP: Final = 4  # question, its passage, turn, note


@dataclass(frozen=True, slots=True)
class KitText:
    """A text of the kit; `kind` is "turn", "note", "question" or "passage"."""

    text: str
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Kit:
    """Texts, held-out ones first, with the teacher's vectors.

    Attributes:
        items: The texts.
        n_held_out: How many of them are for judging only; a multiple of `HELD_OUT_GROUP`.
        vectors: float32 (len(items), 384), unit norm; stored as int8, which turns one by less than
            a hundredth.
        teacher: Name of the model that gave the vectors.
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
        folder: Of another kit, made by `benchmarks.kit.draw_kit`.

    Raises:
        TunerError: its files are missing, damaged, or do not belong together.
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
            f"the calibration kit in {folder} cannot be read: {error} — install lmort-memory again"
        ) from error
    if digest != items_digest(items) or len(vectors) != len(items):
        raise TunerError(
            f"the calibration kit in {folder} is damaged: its vectors are those of other texts — "
            "install lmort-memory again"
        )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Kit(items, n_held_out, vectors, teacher)


def items_digest(items: Sequence[KitText]) -> str:
    """Digest of the texts in their order; 32 hex digits."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{len(item.text)}\0{item.text}".encode())
    return digest.hexdigest()[:32]
