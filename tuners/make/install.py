"""Where tuners made on this machine are kept, so that their models find them."""

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
    """Return the file for a model's tuner: the existing one, or an unused name.

    Fine-tuned versions of a model share a fingerprint; each has its own file.
    """
    number = 0
    while (path := folder / f"{backbone.fingerprint}-{number}.gguf").exists():
        try:
            check_match(read_card(path), backbone)
            return path
        except TunerError:
            number += 1
    return path
