"""The at-once tuner, for a model that has none: made in seconds from statistics of its layers.

The hidden states of the kit's first texts are mean-pooled and standardised, and the directions of
largest variance are removed (Mu and Viswanath 2018, "All-but-the-top"): those separate questions
from statements and long texts from short ones, and drown out the topic. The next few hundred
directions become the vector, scaled part of the way towards equal variance. The teacher's vectors
only help to choose the layers; they do not enter the map.

Beside these stand the vectors of the text's words (`lexicon`), which know more of what a text
means than directions that nothing was learned for, but nothing of other languages, of names and of
what words mean together (experiment 48).

The result is an ordinary tuner file without blocks, named by the model's fingerprint and marked in
its provenance. `lmort-mem tuner make` fits a tuner. Measured in `docs/experiments.md`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.blas import one_thread
from lmort_memory.encoder.artifact import Artifact, TunerCard, read_artifact, write_artifact
from lmort_memory.encoder.background import with_background
from lmort_memory.encoder.config import WORDS_DIM, BackboneIdentity, TunerConfig
from lmort_memory.encoder.lexicon import load_lexicon
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.pooling import pool_states
from lmort_memory.encoder.probe import ceiling, choose_layers
from lmort_memory.encoder.token_fit import TokenSample, with_tokens
from lmort_memory.encoder.tuned_encoder import check_match
from lmort_memory.errors import TunerError
from lmort_memory.kit import load_kit
from lmort_memory.paths import make_private_dir
from lmort_memory.types import HiddenStates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder.pooling import PooledStates
    from lmort_memory.kit import KitText

    Array = NDArray[np.float32]

__all__ = [
    "AT_ONCE",
    "beside_words",
    "directions",
    "identity_of",
    "make_untrained",
    "project",
    "untrained_path",
    "untrained_tuner",
]

AT_ONCE: Final = "at once"
"""Value of "tier" in the provenance of a tuner made by this module."""

MOST_TEXTS: Final = 320
_FEWEST_TEXTS: Final = 48  # read by even the slowest model; the map then has 37 directions
_SECONDS: Final = 10.0  # limit on reading texts
_MAX_TOKENS: Final = 64  # of a text
_REMOVED: Final = 10  # directions; 3 to 20 scored the same
_DIM: Final = 384
_OF_WORDS: Final = 256  # axes of the words' vectors; all 384 hardly find more


def untrained_tuner(backbone: Backbone, folder: Path) -> Path:
    """Find the at-once tuner of a model in `folder`, or make it there in a few seconds.

    Raises:
        BackboneError: llama.cpp refused.
        TunerError: the file cannot be written.
    """
    found = untrained_path(backbone, folder)
    if found is not None:
        return found
    artifact = make_untrained(backbone)
    path = _free_name(backbone, folder)
    try:
        make_private_dir(folder)
        write_artifact(path, artifact, matrix_type="F16")
    except OSError as error:
        raise TunerError(
            f"cannot save this model's at-once tuner in {folder}: {error} — make the folder "
            "writable, or choose another with LMORT_HOME"
        ) from error
    return path


def untrained_path(backbone: Backbone, folder: Path) -> Path | None:
    """Return the at-once tuner made earlier for a model, or None."""
    for path in sorted(folder.glob(f"{backbone.fingerprint}-*.gguf")):
        try:
            check_match(read_artifact(path).card, backbone)
        except TunerError:  # for another fine-tuning, contract or table of words, or damaged
            continue
        return path
    return None


def _free_name(backbone: Backbone, folder: Path) -> Path:
    """Return an unused file name: fine-tuned versions of a model share a fingerprint."""
    number = 0
    while (path := folder / f"{backbone.fingerprint}-{number}.gguf").exists():
        number += 1
    return path


def make_untrained(
    backbone: Backbone, *, seconds: float = _SECONDS, words: bool = True
) -> Artifact:
    """Make the at-once tuner of a model.

    Args:
        backbone: The model.
        seconds: Time after which no more texts are read.
        words: Whether the words' vectors stand beside the model's directions.

    Raises:
        BackboneError: llama.cpp refused.
    """
    kit = load_kit()
    texts = kit.texts(kit.n_held_out, kit.n_held_out + MOST_TEXTS)
    captured = backbone.hidden_states(
        texts, tuple(range(ceiling(backbone.n_layer) + 1)), max_tokens=_MAX_TOKENS
    )
    sample = TokenSample()
    pooled = pool_states(sample.watch(_until(captured, seconds)))
    n_texts = pooled.pooled.shape[1]
    with one_thread():
        choice = choose_layers(pooled, kit.vectors[kit.n_held_out : kit.n_held_out + n_texts])
        made = with_tokens(project(backbone, pooled, choice.layers), sample)
        if not words:
            return made
        items = kit.items[kit.n_held_out : kit.n_held_out + n_texts]
        return _noting_background(beside_words(made, kit.vectors), pooled, items)


def project(backbone: Backbone, pooled: PooledStates, layers: Sequence[int]) -> Artifact:
    """Make a tuner for these layers from pooled states."""
    rows = [pooled.layers.index(layer) for layer in layers]
    inputs = np.concatenate(list(pooled.standardised()[rows]), axis=1)
    weight, bias = directions(inputs)
    length = np.linalg.norm(inputs @ weight.T + bias, axis=1).mean()
    weight, bias = weight / length, bias / length  # to a mean of 1: what words are joined to
    config = TunerConfig(
        n_embd=backbone.n_embd,
        align_layer=layers[0],
        uniform_layer=layers[-1],
        n_layer=0,
        pooled_layers=tuple(layers),
        dim=len(weight),
    )
    weights = {"pooled.weight": weight, "pooled.bias": bias}
    for row, layer in zip(rows, layers, strict=True):
        weights[f"stats.{layer}.mean"] = pooled.mean[row]
        weights[f"stats.{layer}.std"] = pooled.std[row]
    provenance = {
        "tier": AT_ONCE,
        "data": f"calibration kit, {len(inputs)} texts",
        "texts": str(len(inputs)),
        "date": datetime.now(UTC).date().isoformat(),
    }
    return Artifact(TunerCard(config, identity_of(backbone), provenance=provenance), weights)


def beside_words(artifact: Artifact, sample: Array) -> Artifact:
    """Put the vectors of words before the directions of an at-once tuner.

    Args:
        artifact: A result of `project`, with tokens or without.
        sample: Vectors of texts in the words' space, (n, 384), for its principal axes.
    """
    config, weights = artifact.card.config, dict(artifact.weights)
    axes = np.linalg.eigh(sample.T @ sample)[1][:, ::-1][:, :_OF_WORDS]
    own, bias = weights.pop("pooled.weight"), weights.pop("pooled.bias")
    kept = np.zeros((_OF_WORDS + len(own), WORDS_DIM), np.float32)
    kept[:_OF_WORDS] = axes.T
    weights |= {
        "lexicon.share": np.ones(1, np.float32),
        "kept.weight": kept,
        "own.weight": np.pad(own, ((_OF_WORDS, 0), (0, 0))),
        "own.bias": np.pad(bias, (_OF_WORDS, 0)),
    }
    config = replace(
        config,
        dim=len(kept),
        pooled_layers=(),
        own_layers=config.pooled_layers,
        lexicon=load_lexicon().identity,
    )
    return Artifact(replace(artifact.card, config=config), weights)


def _noting_background(
    artifact: Artifact, pooled: PooledStates, items: Sequence[KitText]
) -> Artifact:
    """Note the background of an at-once tuner, by the texts that it was made from.

    It reads nothing of a text but the mean of its states, so that mean stands for all tokens.
    """
    tuner = Tuner(artifact, lambda tokens: items[tokens[0]].text)
    texts = [
        HiddenStates((row,), pooled.layers, pooled.pooled[:, row : row + 1])
        for row in range(len(items))
    ]
    return with_background(artifact, tuner.encode_batch(texts), items)


def identity_of(backbone: Backbone) -> BackboneIdentity:
    """Return the model's identity for the card of its tuner."""
    facts = backbone.facts
    return BackboneIdentity(
        backbone.fingerprint,
        facts.architecture,
        facts.n_layer,
        facts.n_embd,
        backbone.sketch.to_text(),
    )


def _until(captured: Iterator[HiddenStates], seconds: float) -> Iterator[HiddenStates]:
    """Yield texts until the time is up, but at least `_FEWEST_TEXTS`."""
    end = time.monotonic() + seconds
    for number, states in enumerate(captured):
        if number >= _FEWEST_TEXTS and time.monotonic() > end:
            return
        yield states


def directions(inputs: Array) -> tuple[Array, Array]:
    """Map onto the principal directions after the first few: weight (dim, d) and bias (dim,).

    Args:
        inputs: Standardised pooled states of texts, (n, d).
    """
    mean = inputs.mean(axis=0, dtype=np.float64)
    _, sizes, found = np.linalg.svd(inputs - mean, full_matrices=False)
    rank = int((sizes > sizes[0] * 1e-6).sum()) - 1  # minus one for the centring
    first = min(_REMOVED, rank // 4)
    kept = slice(first, min(rank, first + _DIM))
    weight = found[kept] / np.sqrt(sizes[kept] / sizes[first])[:, None]
    return weight.astype(np.float32), (-weight @ mean).astype(np.float32)
