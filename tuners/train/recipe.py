"""Recipes: all settings of a tuner, as a TOML file. This module reads and checks them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from lmort_memory.encoder.config import TunerConfig
from lmort_memory.errors import TunerError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BlendRecipe",
    "DataRecipe",
    "LossRecipe",
    "Recipe",
    "SourceRecipe",
    "TrainRecipe",
    "load_recipe",
    "recipe_path",
]

_RECIPES: Final = Path(__file__).parents[1] / "recipes"
SOURCE_KINDS: Final = ("paragraphs", "turns", "sessions", "queries", "positives", "pairs")
CONTRASTIVE_KINDS: Final = ("paper", "cosine")
SCHEDULES: Final = ("linear", "cosine")

_Section = TypeVar("_Section")


@dataclass(frozen=True, slots=True)
class SourceRecipe:
    """One source of training text.

    Attributes:
        path: Relative to the data folder, without ".jsonl.gz", such as "text/topical_chat".
        kind: "paragraphs" (unchanged), "turns" (flattened dialogues, split into turns),
            "sessions" (the same, with each turn in the context of its dialogue),
            "queries" or "positives" (one side of pairs), "pairs" (both, as a labelled pair, with
            "near" and "group" where the file has them).
        count: Maximum number of units to sample.
        licence: Recorded in the tuner's provenance.
    """

    path: str
    kind: str
    count: int
    licence: str = ""


@dataclass(frozen=True, slots=True)
class DataRecipe:
    """What to train on.

    Attributes:
        layout: "folder" (../text and ../pairs as JSONL) or "msmarco" (its public files).
        max_tokens: Texts are truncated to this many tokens.
        query_max_tokens: The same for queries of pairs; 0 means `max_tokens`.
        max_words: Texts are truncated to this many words, so that student and teacher see the same
            text; 0 means no limit.
        n_negatives: Hard negatives per pair; in the layout "folder" at most so many, of "near".
        max_pairs: With "msmarco": number of queries to use; 0 means all.
        seed: Seed of all random choices.
        sources: Sources of text; not used with "msmarco".
    """

    layout: str = "folder"
    max_tokens: int = 96
    query_max_tokens: int = 0
    max_words: int = 0
    n_negatives: int = 0
    max_pairs: int = 0
    seed: int = 0
    sources: tuple[SourceRecipe, ...] = ()


@dataclass(frozen=True, slots=True)
class LossRecipe:
    """The loss, a weighted sum.

    Attributes:
        distillation: Weight of the distillation loss; with 0 no teacher is needed.
        cosine_weight: Weight of the cosine term inside distillation.
        distillation_temperature: Temperature of the in-batch similarity distributions.
        context_target: For a turn in a session: weight of the teacher's vector for the turn and the
            two before it, relative to 1 for the turn alone.
        contrastive: Weight of the contrastive loss on labelled pairs.
        contrastive_kind: "paper" is Eq. 10 (dot product, own negatives only); "cosine" is ours.
        temperature: Temperature of "cosine".
    """

    distillation: float = 0.0
    cosine_weight: float = 3.0
    distillation_temperature: float = 0.05
    context_target: float = 0.0
    contrastive: float = 0.0
    contrastive_kind: str = "cosine"
    temperature: float = 0.05


@dataclass(frozen=True, slots=True)
class TrainRecipe:
    """The optimiser: AdamW with warm-up and decay to zero.

    Attributes:
        start: File of a tuner of the same shape whose trained part to go on from, as seen from the
            current folder; empty starts anew.
        batch_size: Units (texts or labelled pairs) per step.
        warmup_ratio: Share of the steps in which the learning rate rises.
        schedule: "linear" or "cosine" decay after the warm-up.
        closed_form: Start the pooled path from the ridge solution on the teacher's vectors.
        words: Length of the vectors of a text's words (`lmort_memory.encoder.lexicon`), beside 1
            of the network, which learns what they lack; 0 trains without them.
        pooled_rate: Factor on the learning rate of the pooled path. That path sums thousands of
            correlated inputs, so an AdamW step moves its output far more than elsewhere.
    """

    start: str = ""
    epochs: int = 3
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_ratio: float = 0.1
    schedule: str = "cosine"
    closed_form: bool = False
    words: float = 0.0
    pooled_rate: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class BlendRecipe:
    """The last step: adding the model's own directions to the teacher's (`train.blend`).

    Attributes:
        max_tokens: Questions and answers are truncated to this many tokens; not used with `keep`.
        share: Length of the own part, relative to 1 for the trained part.
        keep: Take over the own directions of the tuner in `start`, instead of finding new ones.
        sources: Sources of kind "pairs"; not used with `keep`.
    """

    max_tokens: int = 64
    share: float = 1.0
    keep: bool = False
    sources: tuple[SourceRecipe, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that determines a tuner, except the model, the data and the machine.

    Attributes:
        name: Name of the recipe.
        model: The model it was made for, in words.
        tuner: Fields of `TunerConfig` except `n_embd`, which comes from the backbone.
        blend: The last step, or None.
    """

    name: str
    model: str
    tuner: Mapping[str, Any]
    data: DataRecipe
    loss: LossRecipe
    train: TrainRecipe
    blend: BlendRecipe | None = None

    def config(self, n_embd: int) -> TunerConfig:
        """Return the tuner's shape for a backbone with states of width `n_embd`.

        If the recipe omits `width` or `dim`, it is `n_embd`, as in the paper.

        Raises:
            TunerError: the shape is impossible.
        """
        values = {"width": n_embd, "dim": n_embd, **self.tuner}
        values.setdefault("n_ff", 4 * values["width"])
        try:
            return TunerConfig(n_embd=n_embd, **values)
        except (TypeError, ValueError) as error:
            raise _bad(self.name, f"[tuner]: {error}") from error


def recipe_path(name_or_path: str | Path) -> Path:
    """Find a recipe by file or by the name of one that ships.

    Raises:
        TunerError: there is neither.
    """
    path = Path(name_or_path)
    shipped = _RECIPES / f"{name_or_path}.toml"
    for candidate in (path, shipped):
        if candidate.is_file():
            return candidate
    names = ", ".join(sorted(item.stem for item in _RECIPES.glob("*.toml")))
    raise TunerError(f"there is no recipe {name_or_path} — pass a TOML file or one of: {names}")


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        TunerError: the file is not readable, not TOML, or has invalid keys or values.
    """
    try:
        with path.open("rb") as file:
            tree = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise TunerError(f"the recipe {path} cannot be read: {error} — correct the file") from error
    unknown = set(tree) - {"name", "model", "tuner", "data", "loss", "train", "blend"}
    if unknown:
        raise _bad(path.name, f"unknown sections {sorted(unknown)}")
    recipe = Recipe(
        name=str(tree.get("name", path.stem)),
        model=str(tree.get("model", "")),
        tuner=_tuner_section(path.name, tree.get("tuner", {})),
        data=_section(path.name, DataRecipe, _with_sources(path.name, tree.get("data", {}))),
        loss=_section(path.name, LossRecipe, tree.get("loss", {})),
        train=_section(path.name, TrainRecipe, tree.get("train", {})),
        blend=_blend_section(path.name, tree.get("blend")),
    )
    _check(path.name, recipe)
    return recipe


def _with_sources(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    sources = [_section(name, SourceRecipe, item) for item in section.get("sources", [])]
    return {**section, "sources": tuple(sources)}


def _blend_section(name: str, section: Mapping[str, Any] | None) -> BlendRecipe | None:
    return None if section is None else _section(name, BlendRecipe, _with_sources(name, section))


def _tuner_section(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    known = {item.name for item in fields(TunerConfig)} - {"n_embd"}
    if set(values) - known:
        raise _bad(name, f"[tuner] has unknown keys {sorted(set(values) - known)}")
    section = dict(values)
    if "pooled_layers" in section:
        section["pooled_layers"] = tuple(section["pooled_layers"])
    return section


def _section(name: str, kind: type[_Section], values: Mapping[str, Any]) -> _Section:
    try:
        return kind(**values)
    except TypeError as error:
        raise _bad(name, f"{kind.__name__}: {error}") from error


def _check(name: str, recipe: Recipe) -> None:
    choices = (
        ("layout", recipe.data.layout, ("folder", "msmarco")),
        ("contrastive_kind", recipe.loss.contrastive_kind, CONTRASTIVE_KINDS),
        ("schedule", recipe.train.schedule, SCHEDULES),
        *(("kind", source.kind, SOURCE_KINDS) for source in recipe.data.sources),
    )
    for what, value, allowed in choices:
        if value not in allowed:
            raise _bad(name, f"{what} is {value!r}, expected one of {', '.join(allowed)}")
    if not (recipe.loss.distillation or recipe.loss.contrastive):
        raise _bad(name, "all weights in [loss] are 0; set distillation or contrastive")
    of_paper = recipe.loss.contrastive and recipe.loss.contrastive_kind == "paper"
    if of_paper and not recipe.data.n_negatives:
        raise _bad(name, "the paper's loss compares with hard negatives; set n_negatives")
    if recipe.blend is not None:
        _check_blend(name, recipe.blend, recipe.train.start)
    if recipe.train.start and recipe.train.closed_form:
        raise _bad(name, "closed_form would discard what `start` names; set one of them")
    if recipe.train.closed_form and not recipe.loss.distillation:
        raise _bad(name, "closed_form needs a teacher; set distillation above 0")
    if recipe.train.words and not recipe.loss.distillation:
        raise _bad(name, "word vectors are in the teacher's space; set distillation above 0")


def _check_blend(name: str, blend: BlendRecipe, start: str) -> None:
    kinds = {source.kind for source in blend.sources}
    if blend.keep == bool(kinds):
        raise _bad(name, "[blend] needs sources of pairs, or `keep`, and not both")
    if kinds - {"pairs"}:
        raise _bad(name, "[blend] takes sources of kind 'pairs' alone")
    if blend.keep and not start:
        raise _bad(name, "[blend] keeps what the tuner in `start` has, and there is none")


def _bad(name: str, why: str) -> TunerError:
    return TunerError(f"the recipe {name} cannot be used: {why} — correct the file")
