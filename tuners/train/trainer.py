"""The training loop: AdamW with warm-up and decay, and exact resumption from checkpoints.

The backbone is not involved: its states come from a cache, so no gradient can reach it. A resumed
run gives the same weights, bit for bit, as an uninterrupted one: the order of each epoch depends
only on the seed and the epoch, and the checkpoint holds the rest.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch.nn import functional as F

from lmort_memory.encoder.artifact import read_artifact
from lmort_memory.encoder.lexicon import load_lexicon
from lmort_memory.errors import TunerError
from lmort_memory.paths import make_private_dir

from .batches import Batch, epoch_plan, make_batch, packed_states
from .closed_form import pooled_states, ridge, statistics
from .losses import contrastive, distillation, paper_contrastive
from .model import Lmort

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from lmort_memory.encoder.config import TunerConfig
    from lmort_memory.types import Progress

    from ..states.cache import StatesCache
    from .data import TrainingData
    from .recipe import LossRecipe, Recipe, TrainRecipe

__all__ = ["Trainer", "TrainingSet", "new_model", "rate_factor"]

_CHECKPOINT: Final = "checkpoint.pt"
_LOG_EVERY: Final = 50  # steps between two lines of log.jsonl
_CLIP: Final = 1.0  # norm of the gradient


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The trainer's inputs.

    Attributes:
        cache: States of `data.texts`.
        data: The training units.
        targets: Teacher vectors of the texts, float32 (n_texts, dim); None without distillation.
    """

    cache: StatesCache
    data: TrainingData
    targets: NDArray[np.float32] | None


def new_model(config: TunerConfig, recipe: TrainRecipe, training: TrainingSet) -> Lmort:
    """Build a network: seeded weights, statistics of the states, closed-form linear path.

    With `recipe.start` it has the weights and statistics of that tuner.

    Raises:
        ValueError: `recipe.closed_form` is set without targets or pooled layers.
        TunerError: the tuner to start from cannot be read, or has another shape.
    """
    torch.manual_seed(recipe.seed)
    model = Lmort(config)
    if recipe.start:
        _load_trained(model, Path(recipe.start))
        return model
    stats = {
        layer: values
        for layer, values in statistics(training.cache).items()
        if layer in config.layers
    }
    model.set_statistics(stats)
    if recipe.closed_form:
        if training.targets is None or not config.pooled_layers:
            raise ValueError("closed_form needs the teacher's vectors and pooled_layers")
        inputs = pooled_states(training.cache, config.pooled_layers, stats)
        # Only the direction matters. At this scale the entries of a vector are about 1, as in every
        # other layer, which suits AdamW's scale-independent steps.
        weight, bias = ridge(inputs, training.targets * np.float32(config.dim**0.5))
        model.pooled.load_state_dict(
            {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
        )
    return model


def _load_trained(model: Lmort, path: Path) -> None:
    """Copy the trained part of a tuner; what else it has is added later."""
    artifact = read_artifact(path)
    trained = artifact.card.config.trained
    if trained != model.config:
        raise TunerError(
            f"cannot start from {path}: it has the shape {trained}, and the recipe wants "
            f"{model.config} — change [tuner] or `start`"
        )
    weights = {
        name: torch.from_numpy(np.array(artifact.weights[name], np.float32)).reshape(tensor.shape)
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(weights)


def rate_factor(step: int, total: int, *, warmup_ratio: float, schedule: str) -> float:
    """Factor on the learning rate at a step: linear warm-up, then decay to zero."""
    warmup = max(1, round(warmup_ratio * total))
    if step < warmup:
        return (step + 1) / warmup
    rest = (step - warmup) / max(1, total - warmup)
    return 1 - rest if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * rest))


class Trainer:
    """One training run with a folder for its checkpoints. Not thread-safe."""

    def __init__(
        self,
        config: TunerConfig,
        recipe: Recipe,
        training: TrainingSet,
        *,
        folder: Path,
        device: str = "cpu",
    ) -> None:
        """Prepare a run, or resume from the checkpoint in `folder`.

        Raises:
            TunerError: the checkpoint is damaged or belongs to another run; there are single texts
                but no teacher to give them targets; or pairs lack hard negatives that the paper's
                loss needs.
        """
        if not recipe.loss.distillation and (training.data.positives < 0).any():
            raise TunerError(
                f"the recipe {recipe.name} has no teacher, but some of its texts are not labelled "
                "pairs — set distillation above 0, or use pairs only"
            )
        lacking = (training.data.negatives[training.data.positives >= 0] < 0).any()
        if recipe.loss.contrastive and recipe.loss.contrastive_kind == "paper" and lacking:
            raise TunerError(
                f"the recipe {recipe.name} wants {recipe.data.n_negatives} hard negatives of every "
                'pair, but some have fewer — add to their "near", lower n_negatives, or set '
                'contrastive_kind = "cosine"'
            )
        self.recipe = recipe
        self.training = training
        self.folder = folder
        self.device = torch.device(device)
        self.step = 0
        self.total = recipe.train.epochs * len(self._plan(0))
        self._identity = _identity(config, recipe, training)
        self._words = load_lexicon().vectors(training.data.texts) if recipe.train.words else None
        make_private_dir(folder)
        resumes = (folder / _CHECKPOINT).is_file()
        self.model = Lmort(config) if resumes else new_model(config, recipe.train, training)
        self.model.to(self.device)
        self.optimiser = torch.optim.AdamW(
            _parameter_groups(self.model, recipe.train), weight_decay=recipe.train.weight_decay
        )
        if resumes:
            self._restore()

    def run(
        self,
        *,
        stop_at: int | None = None,
        checkpoint_every: int = 200,
        progress: Progress | None = None,
    ) -> Lmort:
        """Train to the end, or up to step `stop_at`, and write a checkpoint before returning.

        Args:
            stop_at: Step to stop before; None means the end of the schedule.
            checkpoint_every: Steps between checkpoints.
            progress: Called with (steps done, total steps).
        """
        end = self.total if stop_at is None else min(stop_at, self.total)
        self.model.train()
        while self.step < end:
            loss = self._step()
            self.step += 1
            if self.step % _LOG_EVERY == 1:
                self._log(loss)
            if self.step % checkpoint_every == 0 or self.step == end:
                self._save()
            if progress is not None:
                progress(self.step, self.total)
        return self.model.eval()

    def _plan(self, epoch: int) -> NDArray[np.int64]:
        settings = self.recipe.train
        n_units = len(self.training.data.anchors)
        return epoch_plan(n_units, settings.batch_size, seed=(settings.seed, epoch))

    def _step(self) -> float:
        settings = self.recipe.train
        per_epoch = self.total // settings.epochs
        units = self._plan(self.step // per_epoch)[self.step % per_epoch]
        factor = rate_factor(
            self.step, self.total, warmup_ratio=settings.warmup_ratio, schedule=settings.schedule
        )
        for group in self.optimiser.param_groups:
            group["lr"] = group["full_rate"] * factor
        loss = self._loss(make_batch(self.training.data, units))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), _CLIP)
        self.optimiser.step()
        return loss.item()

    def _loss(self, batch: Batch) -> Tensor:
        """Return the weighted sum of the losses of one batch."""
        states, lengths = packed_states(
            self.training.cache,
            batch.texts,
            layers=self.model.config.layers,
            limits=self._limits(batch),
        )
        vectors = self.model(states.to(self.device, torch.float32), lengths.to(self.device))
        if self._words is not None:
            words = torch.from_numpy(self._words[batch.texts]).to(self.device)
            vectors = F.normalize(vectors, dim=-1) + self.recipe.train.words * words
        weights = self.recipe.loss
        loss = torch.zeros((), device=self.device)
        if weights.distillation and self.training.targets is not None:
            targets = torch.from_numpy(self.training.targets[batch.texts]).to(self.device)
            loss = loss + weights.distillation * distillation(
                vectors,
                targets,
                cosine_weight=weights.cosine_weight,
                temperature=weights.distillation_temperature,
            )
        if weights.contrastive and len(batch.pairs):
            loss = loss + weights.contrastive * _contrastive(vectors, batch, weights)
        return loss

    def _limits(self, batch: Batch) -> NDArray[np.int64]:
        """Maximum tokens per text; queries of pairs may have their own limit."""
        data = self.recipe.data
        limits = np.full(len(batch.texts), data.max_tokens)
        limits[batch.pairs] = data.query_max_tokens or data.max_tokens
        return limits

    def _log(self, loss: float) -> None:
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({"step": self.step, "loss": round(loss, 5)}) + "\n")

    def _save(self) -> None:
        temporary = self.folder / f".{_CHECKPOINT}.new"
        torch.save(
            {
                "identity": self._identity,
                "step": self.step,
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "rng": torch.get_rng_state(),
            },
            temporary,
        )
        temporary.replace(self.folder / _CHECKPOINT)

    def _restore(self) -> None:
        path = self.folder / _CHECKPOINT
        try:
            saved = torch.load(path, map_location=self.device, weights_only=True)
            if saved["identity"] != self._identity:
                raise TunerError(
                    f"{path} belongs to another run (recipe, texts or layers differ) — choose "
                    "another folder, or delete this one"
                )
            self.model.load_state_dict(saved["model"])
            self.optimiser.load_state_dict(saved["optimiser"])
            torch.set_rng_state(saved["rng"].cpu())
            self.step = saved["step"]
        except (OSError, RuntimeError, KeyError, EOFError, ValueError) as error:
            raise TunerError(f"{path} is damaged: {error} — delete it to start over") from error


def _parameter_groups(model: Lmort, recipe: TrainRecipe) -> list[dict[str, Any]]:
    """Give the pooled path its own learning rate; everything else uses the recipe's."""
    pooled = [p for name, p in model.named_parameters() if name.startswith("pooled.")]
    others = [p for name, p in model.named_parameters() if not name.startswith("pooled.")]
    rates = ((others, recipe.learning_rate), (pooled, recipe.learning_rate * recipe.pooled_rate))
    return [{"params": params, "lr": rate, "full_rate": rate} for params, rate in rates if params]


def _contrastive(vectors: Tensor, batch: Batch, weights: LossRecipe) -> Tensor:
    """Split the vectors of a batch into queries, positives and negatives, and compare them."""
    n_pairs = len(batch.pairs)
    queries = vectors[torch.from_numpy(batch.pairs).to(vectors.device)]
    positives = vectors[batch.n_units : batch.n_units + n_pairs]
    negatives = vectors[batch.n_units + n_pairs :]
    if weights.contrastive_kind == "paper":
        own = negatives.view(n_pairs, -1, vectors.shape[1])  # equally many each
        return paper_contrastive(queries, positives, own)
    alike = torch.from_numpy(batch.alike).to(vectors.device)
    return contrastive(queries, positives, negatives, temperature=weights.temperature, alike=alike)


def _identity(config: TunerConfig, recipe: Recipe, training: TrainingSet) -> str:
    """Hash of everything that must not change when a run resumes."""
    manifest = training.cache.manifest
    parts = (
        asdict(config),
        asdict(recipe.data),
        asdict(recipe.loss),
        asdict(recipe.train),
        (manifest.fingerprint, manifest.texts, manifest.mode),
    )
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
