"""From a recipe to a tuner file: texts, states, teacher vectors, training, export.

Every stage saves its result in the work folder, so that after an interruption the same command
resumes where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lmort_memory.encoder.artifact import (
    Artifact,
    TunerCard,
    read_artifact,
    read_card,
    write_artifact,
)
from lmort_memory.encoder.untrained import identity_of
from lmort_memory.types import Progress

from ..states.cache import estimate, fill
from .blend import DIRECTIONS, PENALTY, blend, discriminants, own_directions, with_words
from .corpus import corpus_states, corpus_targets
from .data import TrainingData, load_folder
from .msmarco import load_msmarco
from .teacher import TEACHER_LICENCE, TEACHER_NAME
from .trainer import Trainer, TrainingSet

if TYPE_CHECKING:
    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder.lmort import TextOf

    from ..states.cache import Estimate, StatesCache
    from .model import Lmort
    from .recipe import BlendRecipe, DataRecipe, Recipe

__all__ = ["Stages", "Workshop", "load_data", "to_artifact", "with_own_of"]

Stages: TypeAlias = Callable[[str], Progress]
"""Given the name of a stage, returns its progress callback."""


def load_data(folder: Path, recipe: DataRecipe) -> TrainingData:
    """Read the training data in the layout that the recipe names.

    Raises:
        TunerError: data is missing or damaged.
    """
    return (load_msmarco if recipe.layout == "msmarco" else load_folder)(folder, recipe)


@dataclass(frozen=True, slots=True)
class Workshop:
    """A recipe applied to a model and data in a work folder.

    Attributes:
        recipe: The recipe.
        backbone: The open model.
        data_folder: Folder of the training data.
        work: Folder for states, teacher vectors and checkpoints; takes gigabytes.
        device: "cpu" or "cuda".
    """

    recipe: Recipe
    backbone: Backbone
    data_folder: Path
    work: Path
    device: str = "cpu"

    def estimate(self) -> Estimate:
        """Estimate the cost of the states from a sample."""
        config = self.recipe.config(self.backbone.facts.n_embd)
        data = load_data(self.data_folder, self.recipe.data)
        return estimate(
            self.backbone,
            data.texts,
            layers=config.layers,
            max_tokens=self.recipe.data.max_tokens,
        )

    def prepare(self, stages: Stages, *, layers: tuple[int, ...] = ()) -> TrainingSet:
        """Write states and teacher vectors of all texts to disk.

        Args:
            stages: Progress of each stage.
            layers: Layers to capture; empty means those that the recipe's tuner reads.

        Raises:
            TunerError: data is missing or damaged, the folder belongs to another run, or the disk
                is full.
        """
        data = load_data(self.data_folder, self.recipe.data)
        config = self.recipe.config(self.backbone.facts.n_embd)
        cache = corpus_states(
            self.work / "states",
            self.backbone,
            data,
            layers=layers or config.layers,
            max_tokens=self.recipe.data.max_tokens,
            progress=stages("states"),
        )
        targets = None
        if self.recipe.loss.distillation:
            targets = corpus_targets(
                self.work / "states",
                data,
                context=self.recipe.loss.context_target,
                progress=stages("teacher"),
            )
        return TrainingSet(cache, data, targets)

    def make(self, out: Path, stages: Stages, *, matrix_type: str = "F16") -> str:
        """Make the tuner and write it to `out`; return its fingerprint.

        Raises:
            TunerError: as for `prepare`; the checkpoint belongs to another run; or the tuner to
                start from cannot be read, or has no own directions to keep.
        """
        kept = self._kept()  # before hours of training, not after
        training = self.prepare(stages)
        config = self.recipe.config(self.backbone.facts.n_embd)
        trainer = Trainer(
            config, self.recipe, training, folder=self.work / "run", device=self.device
        )
        model = trainer.run(progress=stages("train"))
        artifact = to_artifact(
            model, self.backbone, provenance_of(self.recipe, training, trainer.step)
        )
        if self.recipe.train.words:
            artifact = with_words(artifact, self.recipe.train.words)
        recipe = self.recipe.blend
        if recipe is not None and kept is not None:
            artifact = with_own_of(
                kept, artifact, training.cache, share=recipe.share, text_of=self._text_of
            )
        elif recipe is not None:
            artifact = self._blended(artifact, recipe, stages)
        return write_artifact(out, artifact, matrix_type=matrix_type)

    @property
    def _text_of(self) -> TextOf:
        return self.backbone.vocabulary.detokenize

    def _kept(self) -> Artifact | None:
        """Read the tuner whose own directions are kept; None if none are."""
        if self.recipe.blend is None or not self.recipe.blend.keep:
            return None
        start = read_artifact(Path(self.recipe.train.start))
        own_directions(start)
        return start

    def _blended(self, artifact: Artifact, recipe: BlendRecipe, stages: Stages) -> Artifact:
        """Add the model's own directions, found with labelled pairs, to the trained ones."""
        wanted = replace(
            self.recipe.data,
            layout="folder",
            sources=recipe.sources,
            max_tokens=recipe.max_tokens,
            n_negatives=0,
        )
        data = load_data(self.data_folder, wanted)
        cache = fill(
            self.work / "pairs",
            self.backbone,
            data.texts,
            layers=artifact.card.config.layers,
            max_tokens=recipe.max_tokens,
            progress=stages("states of pairs"),
        )
        blended = blend(
            artifact,
            cache,
            lambda inputs: discriminants(
                inputs[data.anchors], inputs[data.positives], DIRECTIONS, PENALTY
            ),
            share=recipe.share,
            text_of=self._text_of,
        )
        before = artifact.card.provenance
        after = {**before, **_blend_provenance(before, data)}
        return replace(blended, card=replace(blended.card, provenance=after))


def to_artifact(model: Lmort, backbone: Backbone, provenance: dict[str, str]) -> Artifact:
    """Combine a trained network with its model's identity and its provenance."""
    card = TunerCard(model.config, identity_of(backbone), provenance=provenance)
    return Artifact(card, model.weights())


def with_own_of(
    start: Artifact,
    artifact: Artifact,
    cache: StatesCache,
    *,
    share: float = 1.0,
    text_of: TextOf | None = None,
) -> Artifact:
    """Add the own directions of the tuner that another began with to that other one.

    Args:
        start: A blended tuner.
        artifact: A tuner of the same layers and statistics, not blended.
        cache: States of texts at these layers; lengths and axes are theirs.
        share: Length of the own part, relative to 1 for the trained part.
        text_of: The model's detokenizer, which a tuner with word vectors needs.

    Raises:
        TunerError: `start` is not blended.
    """
    own = own_directions(start)
    blended = blend(artifact, cache, lambda _: own, share=share, text_of=text_of)
    kept = {key: text for key, text in start.card.provenance.items() if key == "blend"}
    provenance = {**artifact.card.provenance, **kept}
    return replace(blended, card=replace(blended.card, provenance=provenance))


def provenance_of(recipe: Recipe, training: TrainingSet, steps: int) -> dict[str, str]:
    """Return the provenance of a tuner, for its metadata.

    If it began with another tuner, what this stage was ("recipe", "data", "texts", "steps") is
    appended to that tuner's, and its teacher and licences stay.

    Raises:
        TunerError: the tuner it began with cannot be read.
    """
    begun = recipe.train.start
    before: Mapping[str, str] = read_card(Path(begun)).provenance if begun else {}
    this_stage = {
        "recipe": recipe.name,
        "data": _drawn(training.data),
        "texts": str(len(training.data.texts)),
        "steps": str(steps),
    }
    licences = {licence for *_, licence in training.data.sources}
    provenance = {
        **{
            key: ", then ".join(filter(None, (before.get(key), of)))
            for key, of in this_stage.items()
        },
        "data_licences": _with_licences(before.get("data_licences", ""), licences),
        "tokens": str(int(training.cache.lengths.sum())),
        "date": datetime.now(UTC).date().isoformat(),
    }
    if recipe.loss.distillation:
        provenance["teacher"] = f"{TEACHER_NAME} ({TEACHER_LICENCE})"
    elif "teacher" in before:
        provenance["teacher"] = before["teacher"]
    return provenance


def _drawn(data: TrainingData) -> str:
    return "; ".join(f"{path} {kind} {count}" for path, kind, count, _ in data.sources)


def _blend_provenance(before: Mapping[str, str], data: TrainingData) -> dict[str, str]:
    licences = {licence for *_, licence in data.sources}
    return {
        "blend": _drawn(data),
        "data_licences": _with_licences(before["data_licences"], licences),
    }


def _with_licences(before: str, more: set[str]) -> str:
    return ", ".join(sorted({*before.split(", "), *more} - {""}))
