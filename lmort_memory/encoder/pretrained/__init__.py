"""Tuners that ship, found by the fingerprint of a model's weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_tuner", "find_tuners", "shipped_tuners"]

_log = logging.getLogger(__name__)


def shipped_tuners() -> tuple[Path, ...]:
    """List the tuner files of this package, by name."""
    return tuple(sorted(Path(__file__).parent.glob("*.gguf")))


def find_tuner(fingerprint: str, folder: Path | None = None) -> Path | None:
    """Find the tuner for a backbone: the first of `find_tuners`, or None."""
    return next(find_tuners(fingerprint, folder), None)


def find_tuners(fingerprint: str, folder: Path | None = None) -> Iterator[Path]:
    """Find the tuners for a backbone: those in `folder`, newest first, then those that ship.

    Fine-tuned versions of a model share its fingerprint, so there can be several;
    `lmort_memory.encoder.tuned_encoder.check_match` tells them apart. Reads metadata only. An
    unusable file in `folder` is logged and skipped, so that it cannot keep a program from starting.

    Args:
        fingerprint: The backbone's fingerprint.
        folder: Folder of the tuners made on this machine; it need not exist.
    """
    from lmort_memory.encoder.artifact import read_card
    from lmort_memory.errors import TunerError

    for path in (*_newest_first(folder), *shipped_tuners()):
        try:
            if read_card(path).backbone.fingerprint == fingerprint:
                yield path
        except TunerError as error:
            _log.warning("%s", error)


def _newest_first(folder: Path | None) -> Iterator[Path]:
    if folder is not None and folder.is_dir():
        yield from sorted(folder.glob("*.gguf"), key=lambda path: -path.stat().st_mtime_ns)
