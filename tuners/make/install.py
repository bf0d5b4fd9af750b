"""Where a tuner that was made on this machine is kept, so that its model finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmort_memory.encoder.artifact import read_card
from lmort_memory.encoder.tuned_encoder import check_match
from lmort_memory.errors import TunerError

if TYPE_CHECKING:
    from pathlib import Path

    from lmort_memory.backbone import Backbone

__all__ = ["install_path"]


def install_path(backbone: Backbone, folder: Path) -> Path:
    """Name the file in which a tuner of this model is found: its present one, or a new name.

    Fine-tunings of one model share a fingerprint; each has a file of its own.
    """
    number = 0
    while (path := folder / f"{backbone.fingerprint}-{number}.gguf").exists():
        try:
            check_match(read_card(path), backbone)
            return path
        except TunerError:
            number += 1
    return path
