"""Make a tuner for any model from the kit, offline: the code behind `lmort-mem tuner make`.

    measure ──► choose layers ──► states of the kit ──► closed form ──► LMORT ──► the best of them
     how many     a ridge map       texts and pairs,      NumPy          where
     texts fit    from each layer   on disk               alone          torch is

Every stage saves its result in a work folder; after an interruption, the same call resumes where it
stopped. Without torch, the LMORT stage is skipped. In the end it is measured what a chat adds to
states, which takes seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.encoder.artifact import Artifact
from lmort_memory.encoder.background import with_background
from lmort_memory.encoder.config import TunerConfig
from lmort_memory.encoder.in_chat import with_chat
from lmort_memory.encoder.pooling import pool_states
from lmort_memory.encoder.probe import ceiling, choose_layers
from lmort_memory.encoder.token_fit import with_tokens
from lmort_memory.encoder.untrained import AT_ONCE, beside_words, project

from ..evaluate.held_out import Figures, best_tier, encode_cache, judge
from ..states.cache import estimate, fill
from ..train.data import TrainingData
from . import plan as plans
from .fitted import CLOSED_FORM, LMORT, card_of, closed_form, config_of
from .in_chat import EXCHANGES, measure
from .own import add_own_directions, add_words, capture_pairs
from .plan import FEWEST, Plan
from .settings import MAX_TOKENS, lmort_recipe
from .tokens import token_sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder.lmort import TextOf
    from lmort_memory.encoder.probe import LayerChoice
    from lmort_memory.kit import Kit, KitPair
    from lmort_memory.types import HiddenStates

    from ..states.cache import StatesCache
    from ..train.pipeline import Stages
    from ..train.trainer import TrainingSet
    from .own import PairStates

    Array = NDArray[np.float32]

__all__ = ["Made", "Maker", "Tier"]

_PROBE_TEXTS: Final = 256  # for choosing the layers, where they take no more than
_PROBE_SHARE: Final = 0.2  # of the time
_CHAT_SHARE: Final = 0.05  # of the time, for what a chat adds
_CHATTED: Final = 8  # texts that cost as much as an exchange, which goes through every block
_FEWEST_EXCHANGES: Final = 12
_MAX_EPOCHS: Final = 12
_STEPS_MEASURED: Final = 3


@dataclass(frozen=True, slots=True)
class Tier:
    """A tuner of one kind.

    Attributes:
        artifact: The tuner.
        figures: Its results on the held-out texts.
        seconds: Time to make it, without encoding the texts.
    """

    artifact: Artifact
    figures: Figures
    seconds: float


@dataclass(frozen=True, slots=True)
class Made:
    """A tuner and how it was chosen.

    Attributes:
        artifact: The best tier's tuner.
        tier: Its name.
        figures: Results of every tier that was made, and of the teacher.
        plan: What was done.
        seconds: Time it took, without interruptions.
    """

    artifact: Artifact
    tier: str
    figures: Mapping[str, Figures]
    plan: Plan
    seconds: float


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes one tuner.

    Attributes:
        backbone: The open model.
        kit: Texts with the teacher's vectors.
        minutes: Approximate time limit.
        work: Folder for states and checkpoints.
        train: Whether LMORT may be trained; it needs torch.
        pairs: Questions and answers, for the model's own directions.
    """

    backbone: Backbone
    kit: Kit
    minutes: float
    work: Path
    train: bool = True
    pairs: tuple[KitPair, ...] = ()

    @property
    def _text_of(self) -> TextOf:
        return self.backbone.vocabulary.detokenize

    def plan(self) -> Plan:
        """Measure this machine and plan the work, or read the plan of an earlier call.

        Raises:
            TunerError: the work folder belongs to another model or time limit.
        """
        kept = plans.read(self.work, self._inputs())
        if kept is not None:
            return kept
        texts = self.kit.texts(0, len(self.kit.items))
        cost = estimate(
            self.backbone, texts, layers=(ceiling(self.backbone.n_layer),), max_tokens=MAX_TOKENS
        )
        each = cost.seconds / len(texts)
        plan = self._planned(each, probe_s=_PROBE_TEXTS * each)
        self._keep(plan)
        return plan

    def make(self, plan: Plan, stages: Stages) -> Made:
        """Make the tuner.

        Args:
            plan: The result of `plan`.
            stages: Progress of each stage.

        Raises:
            TunerError: the work folder is damaged, or the disk is full.
            BackboneError: llama.cpp refused.
        """
        start = time.monotonic()
        plan = self.with_layers(plan, stages)
        tiers, plan = self.tiers(plan, stages)
        figures = {name: tier.figures for name, tier in tiers.items()}
        best = best_tier(figures)
        wanted = self.kit.vectors[: plan.n_held_out]
        figures["teacher"] = judge(wanted, wanted, wanted)
        first = self.kit.n_held_out
        fit = self._states("fit", first, first + plan.n_fit, plan, stages)
        artifact = with_tokens(tiers[best].artifact, token_sample(fit))
        held = self._states("held-out", 0, plan.n_held_out, plan, stages)
        vectors = encode_cache(artifact, held, text_of=self._text_of)
        artifact = with_background(artifact, vectors, self.kit.items[: plan.n_held_out])
        added = self._added_by_chat(plan)
        artifact = artifact if added is None else with_chat(artifact, added)
        return Made(artifact, best, figures, plan, time.monotonic() - start)

    def with_layers(self, plan: Plan, stages: Stages) -> Plan:
        """Choose the layers with the kit's first texts, unless already done.

        Then plan again: these texts took longer than the first sample, so they say better how fast
        this machine is, and the chosen layers may be lower than those that were reckoned with.
        """
        if plan.layers:
            return plan
        chosen, each, probe_s = self._choose(stages)
        plan = replace(self._planned(each, probe_s=probe_s), layers=chosen.layers)
        self._keep(plan)
        return plan

    def tiers(self, plan: Plan, stages: Stages) -> tuple[dict[str, Tier], Plan]:
        """Make and evaluate every tier that the plan has time for, starting with the at-once tier.

        Tuners fitted to the teacher also get the vectors of words and the model's own directions
        (`own`); their cosine to the teacher is measured without the latter.
        """
        held = self._states("held-out", 0, plan.n_held_out, plan, stages)
        first = self.kit.n_held_out
        fit = self._states("fit", first, first + plan.n_fit, plan, stages)
        targets = self.kit.vectors[first : first + plan.n_fit]
        pairs = self._pairs(plan, stages)
        begun = time.monotonic()
        tiers = {AT_ONCE: self._judged(self._at_once(plan), None, held, begun)}
        begun = time.monotonic()
        fitted = closed_form(self.backbone, self.kit, plan, fit)
        tiers[CLOSED_FORM] = self._finished(fitted, fit, pairs, held, begun)
        if plan.train_s:
            begun = time.monotonic()
            fitted, plan = self._lmort(plan, fit, targets, fitted, stages)
            tiers[LMORT] = self._finished(fitted, fit, pairs, held, begun)
        return tiers, plan

    def _added_by_chat(self, plan: Plan) -> Array | None:
        """Measure what a chat adds, on pairs of the kit, or on its texts one after the other."""
        affordable = _CHAT_SHARE * 60 * self.minutes / (_CHATTED * plan.seconds_per_text)
        count = max(_FEWEST_EXCHANGES, min(EXCHANGES, int(affordable)))
        texts = self.kit.texts(0, 2 * count)
        said = list(zip(texts[::2], texts[1::2], strict=False))
        asked = [(pair.question, pair.answer) for pair in self.pairs[:count]]
        return measure(self.backbone, plan.layers, asked or said)

    def _finished(
        self,
        fitted: Artifact,
        fit: StatesCache,
        pairs: PairStates | None,
        held: StatesCache,
        begun: float,
    ) -> Tier:
        """Add words and own directions to a fitted tuner, and evaluate it."""
        wanted = self.kit.vectors[: len(held.lengths)]
        with_words = add_words(fitted, held, wanted, text_of=self._text_of)
        whole = add_own_directions(with_words, fit, pairs, text_of=self._text_of)
        return self._judged(whole, with_words, held, begun)

    def _judged(
        self, artifact: Artifact, fitted: Artifact | None, held: StatesCache, begun: float
    ) -> Tier:
        wanted = self.kit.vectors[: len(held.lengths)]
        nearness = None if fitted is None else encode_cache(fitted, held, text_of=self._text_of)
        figures = judge(encode_cache(artifact, held, text_of=self._text_of), wanted, nearness)
        return Tier(artifact, figures, time.monotonic() - begun)

    def _choose(self, stages: Stages) -> tuple[LayerChoice, float, float]:
        """Choose the layers with the first texts, as many as a share of the time is enough for.

        Returns:
            The choice; seconds that a text takes up to the highest of its layers, in proportion to
            the blocks; seconds that it took.
        """
        first, highest = self.kit.n_held_out, ceiling(self.backbone.n_layer)
        start = time.monotonic()
        captured = self.backbone.hidden_states(
            self.kit.texts(first, first + min(_PROBE_TEXTS, self.kit.n_fit)),
            tuple(range(highest + 1)),
            max_tokens=MAX_TOKENS,
            progress=stages("layers"),
        )
        until = start + _PROBE_SHARE * 60 * self.minutes
        pooled = pool_states(_read(captured, until, at_least=FEWEST))
        read_s, count = time.monotonic() - start, pooled.pooled.shape[1]
        chosen = choose_layers(pooled, self.kit.vectors[first : first + count])
        each = read_s / count * max(1, chosen.layers[-1]) / highest
        return chosen, each, time.monotonic() - start

    def _states(self, name: str, start: int, stop: int, plan: Plan, stages: Stages) -> StatesCache:
        return fill(
            self.work / name,
            self.backbone,
            self.kit.texts(start, stop),
            layers=plan.layers,
            max_tokens=MAX_TOKENS,
            progress=stages(f"states, {name}"),
        )

    def _pairs(self, plan: Plan, stages: Stages) -> PairStates | None:
        return capture_pairs(
            self.work / "pairs",
            self.backbone,
            self.pairs[: plan.n_pairs],
            layers=plan.layers,
            progress=stages("states, pairs"),
        )

    def _at_once(self, plan: Plan) -> Artifact:
        """Make the at-once tuner from as few texts as usual: the baseline to beat."""
        first = self.kit.n_held_out
        captured = self.backbone.hidden_states(
            self.kit.texts(first, first + min(_PROBE_TEXTS, plan.n_fit)),
            plan.layers,
            max_tokens=MAX_TOKENS,
        )
        made = project(self.backbone, pool_states(captured), plan.layers)
        return beside_words(made, self.kit.vectors)

    def _lmort(
        self,
        plan: Plan,
        fit: StatesCache,
        targets: Array,
        start: Artifact,
        stages: Stages,
    ) -> tuple[Artifact, Plan]:
        """Train LMORT in the remaining time, starting from the closed form."""
        import torch

        from ..train.trainer import Trainer, TrainingSet

        texts = tuple(self.kit.texts(self.kit.n_held_out, self.kit.n_held_out + plan.n_fit))
        alone = np.full(len(texts), -1, dtype=np.int64)
        data = TrainingData(
            texts, np.arange(len(texts)), alone, np.full((len(texts), 0), -1, dtype=np.int64), ()
        )
        training = TrainingSet(fit, data, targets)
        config = config_of(self.backbone, self.kit, plan, n_layer=2)
        if not plan.epochs:
            plan = replace(plan, epochs=self._epochs_that_fit(plan, config, training))
            self._keep(plan)
        trainer = Trainer(config, lmort_recipe(plan.epochs), training, folder=self.work / "run")
        if trainer.step == 0:
            weight, bias = (start.weights[f"pooled.{name}"] for name in ("weight", "bias"))
            trainer.model.pooled.load_state_dict(
                {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
            )
        model = trainer.run(checkpoint_every=20, progress=stages("LMORT"))
        return Artifact(
            card_of(self.backbone, self.kit, plan, config, LMORT), model.weights()
        ), plan

    def _epochs_that_fit(self, plan: Plan, config: TunerConfig, training: TrainingSet) -> int:
        from ..train.trainer import Trainer

        trial = Trainer(config, lmort_recipe(1), training, folder=self.work / "trial")
        trial.run(stop_at=1)
        start = time.monotonic()
        trial.run(stop_at=1 + _STEPS_MEASURED)
        step_s = (time.monotonic() - start) / _STEPS_MEASURED
        return int(min(_MAX_EPOCHS, max(1, plan.train_s // (step_s * trial.total))))

    def _planned(self, each: float, *, probe_s: float) -> Plan:
        trains = self.train and find_spec("torch") is not None
        return plans.planned(
            self.kit,
            each,
            n_pairs=len(self.pairs),
            total_s=60 * self.minutes,
            probe_s=probe_s,
            trains=trains,
        )

    def _keep(self, plan: Plan) -> None:
        plans.keep(plan, self.work, self._inputs())

    def _inputs(self) -> dict[str, object]:
        """The inputs that a plan depends on."""
        return {
            "fingerprint": self.backbone.fingerprint,
            "minutes": self.minutes,
            "texts": len(self.kit.items),
            "pairs": len(self.pairs),
            "train": self.train,
        }


def _read(
    captured: Iterable[HiddenStates], until: float, *, at_least: int
) -> Iterator[HiddenStates]:
    """Yield states until a time, in seconds of the monotonic clock, but not fewer than these."""
    for count, states in enumerate(captured, 1):
        yield states
        if count >= at_least and time.monotonic() > until:
            return
