"""What each part of the shipped recipe is worth: one factor changed a row, under one budget.

    python -m benchmarks.bench_ablation --data DATA --work WORK --model M.gguf \
        --sessions WORK2 --sets EVAL_WORK --out benchmarks/results/ablation.json

WORK is that of `lmort-mem tuner train smollm2-135m`, whose states are used again; WORK2 is for
those of turns in their sessions; EVAL_WORK is that of bench_quality. A row has about a hundred
steps: one epoch over every other text, over every fourth where sessions are among them, or two
over every other pair. The closed form is fitted to all texts. Rows are judged before the blend,
so that what they learned is seen. Rows that are in the output stay.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from benchmarks.environment import environment, silent
from lmort_memory.backbone import Backbone
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.tuners.evaluate.beir import load_set
from lmort_memory.tuners.evaluate.report import evaluate
from lmort_memory.tuners.evaluate.set_states import alone, has_sessions, in_context, set_vectors
from lmort_memory.tuners.states.cache import open_cache
from lmort_memory.tuners.train.corpus import corpus_targets
from lmort_memory.tuners.train.pipeline import Workshop, load_data, to_artifact
from lmort_memory.tuners.train.recipe import (
    LossRecipe,
    Recipe,
    SourceRecipe,
    load_recipe,
    recipe_path,
)
from lmort_memory.tuners.train.trainer import Trainer, TrainingSet

SETS = {
    "locomo_dev": "recall@10",
    "xquad_en": "ndcg@10",
    "madial_en": "recall@10",
}
SESSIONS = {
    "topical_chat": 2500,
    "sgd_dialogues": 900,
    "ethereum_transcripts": 700,
    "taskmaster": 500,
}
BATCH_OF_PAIRS = 64
BOTH = LossRecipe(distillation=1.0, cosine_weight=30.0, contrastive=1.0)


def texts_rows(base: Recipe) -> dict[str, Recipe]:
    """Rows that learn from the recipe's texts and their teacher vectors."""

    def with_(tuner: dict[str, object] | None = None, **changes: object) -> Recipe:
        return replace(base, tuner={**base.tuner, **(tuner or {})}, **changes)

    gentle = replace(base.train, closed_form=False, pooled_rate=1.0)
    return {
        "as it ships": base,
        "no pooled path": with_(
            {"pooled_layers": ()}, train=replace(base.train, closed_form=False)
        ),
        "pooled path not from the closed form": with_(train=gentle),
        "two layers, 1 and 11": with_({"pooled_layers": (1, 11)}),
        "cosine weight 0": with_(loss=replace(base.loss, cosine_weight=0.0)),
    }


def pairs_rows(base: Recipe) -> dict[str, Recipe]:
    """Rows that learn from labelled pairs: loss mixtures."""
    train = replace(base.train, batch_size=BATCH_OF_PAIRS, epochs=2)
    losses = {
        "pairs, distillation alone": replace(BOTH, contrastive=0.0),
        "pairs, distillation + contrast": BOTH,
        "pairs, contrast alone": LossRecipe(contrastive=1.0),
    }
    return {name: replace(base, loss=loss, train=train) for name, loss in losses.items()}


def session_rows(base: Recipe) -> dict[str, Recipe]:
    """Rows that learn from turns in their sessions too."""
    added = tuple(SourceRecipe(f"text/{name}", "sessions", n) for name, n in SESSIONS.items())
    recipe = replace(base, data=replace(base.data, sources=(*base.data.sources, *added)))
    return {
        f"with sessions, target of the turn and {weight:g} of it with the two before": replace(
            recipe, loss=replace(base.loss, context_target=weight)
        )
        for weight in (1.0, 0.0)
    }


def figures(tuner: Tuner, backbone: Backbone, data: Path, work: Path) -> dict[str, float]:
    """Judge the vectors alone, on every set."""
    found: dict[str, float] = {}
    for name, metric in SETS.items():
        dataset = load_set(data / "eval" / name)
        ways = {"": alone, **({" in context": in_context} if has_sessions(dataset) else {})}
        for way, capture in ways.items():
            states = capture(work / name, backbone, dataset, layers=(1, 6, 11))
            rows = evaluate(dataset, {"dense": set_vectors(tuner, states)}).rows
            found[name + way] = round(float(rows["dense"][metric].mean()), 4)
    return found


def pairs_set(shop: Workshop, base: Recipe) -> TrainingSet:
    """The blend's pairs with their states and teacher vectors."""
    assert base.blend is not None
    recipe = replace(base.data, sources=base.blend.sources, max_tokens=base.blend.max_tokens)
    data = load_data(shop.data_folder, recipe)
    cache = open_cache(shop.work / "pairs")
    targets = corpus_targets(shop.work / "pairs", data, context=0.0)
    return TrainingSet(cache, data, targets)


def thinned(training: TrainingSet) -> TrainingSet:
    """Every other unit, or every fourth."""
    data = training.data
    step = 4 if data.sessions else 2
    units = {name: getattr(data, name)[::step] for name in ("anchors", "positives", "negatives")}
    return replace(training, data=replace(data, **units))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sessions", type=Path, required=True)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    base = load_recipe(recipe_path("smollm2-135m"))
    base = replace(base, train=replace(base.train, epochs=1))
    before = json.loads(options.out.read_text())["rows"] if options.out.exists() else {}
    result = environment("benchmarks.bench_ablation") | {"rows": before}
    with Backbone.open(options.model) as backbone:
        shop = Workshop(base, backbone, options.data, options.work)
        texts = shop.prepare(silent)
        pairs = pairs_set(shop, base)
        apart = replace(shop, work=options.sessions)
        named = [
            *((name, recipe, lambda _: texts) for name, recipe in texts_rows(base).items()),
            *((name, recipe, lambda _: pairs) for name, recipe in pairs_rows(base).items()),
            *(
                (name, recipe, lambda made: replace(apart, recipe=made).prepare(silent))
                for name, recipe in session_rows(base).items()
            ),
        ]
        for name, recipe, prepare in named:
            if name in result["rows"]:
                continue
            training = thinned(prepare(recipe))
            folder = options.work / "ablation" / "".join(c if c.isalnum() else "-" for c in name)
            trainer = Trainer(recipe.config(backbone.facts.n_embd), recipe, training, folder=folder)
            tuner = Tuner(to_artifact(trainer.run(), backbone, {}))
            found = figures(tuner, backbone, options.data, options.sets)
            result["rows"][name] = {"steps": trainer.step, **found}
            options.out.write_text(json.dumps(result, indent=1) + "\n")
            print(name, result["rows"][name], flush=True)


if __name__ == "__main__":
    main()
