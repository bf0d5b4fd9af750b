"""Open an encoder by model: choose the file, find the tuner."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lmort_memory.backbone import Backbone, fast_default_path
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.pretrained import find_tuners
from lmort_memory.encoder.tuned_encoder import TunedEncoder
from lmort_memory.encoder.untrained import untrained_path, untrained_tuner
from lmort_memory.errors import TunerMismatchError
from lmort_memory.modelfile.convert import ensure_runnable
from lmort_memory.paths import data_dir, models_dir


@dataclass(frozen=True, slots=True)
class OpenedEncoder:
    """A loaded model and its encoder.

    Attributes:
        backbone: The model.
        encoder: Makes the vectors, with the model's tuner or else the at-once tuner.
        notice: One line for the user if the model has no tuner of its own, else None.
        earlier: If a tuner was found, the at-once tuner that made this model's vectors before;
            None if there was none.
    """

    backbone: Backbone
    encoder: TunedEncoder
    notice: str | None
    earlier: TunedEncoder | None = None

    def close(self) -> None:
        """Free the model; calling it again does nothing."""
        self.backbone.close()


def open_encoder(
    model: str | Path | None = None, tuner: str | Path | None = None, *, tokens: bool = True
) -> OpenedEncoder:
    """Load a model and its tuner.

    Args:
        model: A GGUF file; None takes `$LMORT_MODEL`, else the packaged default, which is copied
            into the cache in a faster format. A `gptj` file, or the folder of a GPT-2 or GPT-J
            checkpoint, is converted into the cache once.
        tuner: A tuner file; None looks for one made for these weights, first among those made on
            this machine, then among those that ship. If there is none, opening the model for the
            first time takes a few seconds longer: it makes the at-once tuner
            (`lmort_memory.encoder.untrained`).
        tokens: Whether texts get token codes, if the tuner has a token map.

    Raises:
        BackboneError: no usable model.
        TunerError: the named tuner is damaged, or was made for another model.
        MissingDependencyError: no model is named and the default is not installed.
    """
    # The tuner first: it loads in milliseconds, so a wrong path fails before the model loads.
    chosen = None if tuner is None else Tuner.load(tuner)
    named = model or os.environ.get("LMORT_MODEL")
    path = ensure_runnable(named, models_dir()) if named else fast_default_path()
    backbone = Backbone.open(path)
    try:
        if chosen is not None:
            return OpenedEncoder(backbone, TunedEncoder(backbone, chosen, tokens=tokens), None)
        return _look_up(backbone, tokens=tokens)
    except BaseException:
        backbone.close()
        raise


def _look_up(backbone: Backbone, *, tokens: bool) -> OpenedEncoder:
    """Find a tuner by the weights' fingerprint, or make the at-once tuner."""
    folder = data_dir() / "untrained"
    reason = f"no tuner for {backbone.facts.name} yet"
    for path in find_tuners(backbone.fingerprint, data_dir() / "tuners"):
        try:
            encoder = TunedEncoder(backbone, Tuner.load(path), tokens=tokens)
        except TunerMismatchError as error:
            reason = str(error)
            continue
        before = untrained_path(backbone, folder)
        earlier = None if before is None else TunedEncoder(backbone, Tuner.load(before))
        return OpenedEncoder(backbone, encoder, None, earlier)
    made = Tuner.load(untrained_tuner(backbone, folder))
    encoder = TunedEncoder(backbone, made, tokens=tokens)
    layers = ", ".join(map(str, encoder.layers))
    return OpenedEncoder(
        backbone,
        encoder,
        f"{reason}; using an untrained map of its layers {layers} — "
        "`lmort-mem tuner make` (minutes) fits one, which often finds a little more",
    )
