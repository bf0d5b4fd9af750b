"""The paper's tables and figures on another backbone: the rows, and how to run them.

Every row is the base recipe with one change, trained on the same states for the same number of
steps and evaluated on the same sets. Finished rows are kept in `results.jsonl`, so that an
interrupted series resumes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from lmort_memory.encoder.lmort import Tuner
from lmort_memory.paths import make_private_dir

from ..evaluate.metrics import score_run
from ..evaluate.report import dense_scores, output_losses
from ..evaluate.set_states import alone, layer_vectors, set_vectors
from ..train.pipeline import to_artifact
from ..train.trainer import Trainer
from .figures import draw_depths, draw_losses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder.config import TunerConfig
    from lmort_memory.types import Progress

    from ..evaluate.analyze import Choice
    from ..evaluate.beir import EvalSet
    from ..evaluate.set_states import SetStates
    from ..train.pipeline import Stages, Workshop
    from ..train.recipe import Recipe
    from ..train.trainer import TrainingSet

__all__ = [
    "Row",
    "Series",
    "layer_losses",
    "markdown",
    "needed_layers",
    "paper_rows",
    "run_tables",
    "with_seeds",
]

_DEPTHS: Final = range(1, 8)  # Figure 4
_SHOWN: Final = ("ndcg@10", "recall@10")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its table, its name and its changes.

    Attributes:
        changes: Changed fields of `TunerConfig`.
        seed: Seed of the weights and the order of texts.
    """

    table: str
    name: str
    changes: Mapping[str, Any]
    seed: int = 0


def paper_rows(best: Choice, worst: Choice, base: TunerConfig) -> list[Row]:
    """List Table 1, Table 2, Figure 4 and the reduced version of Table 3.

    Args:
        best: Align and uniform layer.
        worst: The layers with the worst losses.
        base: The shape that the rows change.
    """
    chosen = {"align_layer": best.align_layer, "uniform_layer": best.uniform_layer}
    worse = {"align_layer": worst.align_layer, "uniform_layer": worst.uniform_layer}
    embeddings = {"align_layer": 0, "uniform_layer": 0}
    rows = [
        Row("table 1", "A->U", {**chosen, "mode": "A->U"}),
        Row("table 1", "U->A", {**chosen, "mode": "U->A"}),
        Row("table 1", "worst A and U", {**worse, "mode": "A->U"}),
        Row("table 2", "only self-attention to A", {**chosen, "mode": "A"}),
        Row("table 2", "only self-attention to U", {**chosen, "mode": "U"}),
        Row("table 2", "only self-attention to E", {**embeddings, "mode": "A"}),
        Row(
            "table 3",
            "reduced by a two-layer MLP",
            {**chosen, "n_reduce": 2 * base.n_embd, "width": base.n_embd // 4},
        ),
    ]
    return rows + [Row("figure 4", f"{n} layers", {**chosen, "n_layer": n}) for n in _DEPTHS]


def needed_layers(rows: Sequence[Row], base: TunerConfig) -> tuple[int, ...]:
    """Every layer that any row reads, ascending."""
    return tuple(sorted({k for row in rows for k in replace(base, **row.changes).layers}))


def with_seeds(rows: Sequence[Row], seeds: Sequence[int]) -> list[Row]:
    """Repeat rows with more seeds."""
    return [replace(row, seed=seed) for row in rows for seed in seeds]


@dataclass(frozen=True, slots=True)
class Series:
    """Rows with the same budget.

    Attributes:
        base: The shape that the rows change.
        recipe: Loss and steps, the same for every row.
        training: Cached states of every layer that a row reads.
        sets: Evaluation sets with their cached states.
        folder: For checkpoints and results.
    """

    backbone: Backbone
    base: TunerConfig
    recipe: Recipe
    training: TrainingSet
    sets: Sequence[tuple[EvalSet, SetStates]]
    folder: Path

    def run(self, rows: Sequence[Row], *, progress: Progress | None = None) -> None:
        """Train and evaluate the rows without a result."""
        done = {(item["table"], item["name"], item["seed"]) for item in self.results()}
        for index, row in enumerate(rows):
            if (row.table, row.name, row.seed) not in done:
                self._keep(self._judge(row))
            if progress is not None:
                progress(index + 1, len(rows))

    def best(self, count: int) -> list[tuple[str, str]]:
        """Return the rows of seed 0 with the highest mean nDCG@10, as (table, name)."""
        first = [item for item in self.results() if item["seed"] == 0]
        ranked = sorted(first, key=lambda item: -item["mean"]["ndcg@10"])
        return [(item["table"], item["name"]) for item in ranked[:count]]

    def results(self) -> list[dict[str, Any]]:
        """Read the existing results, in the order in which they were run."""
        path = self.folder / "results.jsonl"
        lines = path.read_text().splitlines() if path.is_file() else []
        return [json.loads(line) for line in lines]

    def _judge(self, row: Row) -> dict[str, Any]:
        config = replace(self.base, **row.changes)
        recipe = replace(self.recipe, train=replace(self.recipe.train, seed=row.seed))
        name = "".join(c if c.isalnum() else "-" for c in f"{row.table}-{row.name}-{row.seed}")
        trainer = Trainer(config, recipe, self.training, folder=self.folder / name)
        model = trainer.run()
        tuner = Tuner(to_artifact(model, self.backbone, {}))
        figures: dict[str, dict[str, float]] = {}
        for dataset, states in self.sets:
            vectors = set_vectors(tuner, states)
            values = score_run(dataset, dense_scores(dataset, vectors))
            alignment, uniformity = output_losses(dataset, vectors)
            figures[dataset.name] = {
                **{metric: float(values[metric].mean()) for metric in _SHOWN},
                "alignment": alignment,
                "uniformity": uniformity,
            }
        return {
            "table": row.table,
            "name": row.name,
            "seed": row.seed,
            "parameters": config.n_parameters,
            "steps": trainer.step,
            "sets": figures,
            "mean": dict(_means(figures)),
        }

    def _keep(self, result: Mapping[str, Any]) -> None:
        make_private_dir(self.folder)
        with (self.folder / "results.jsonl").open("a") as file:
            file.write(json.dumps(result) + "\n")


def run_tables(
    workshop: Workshop,
    datasets: Sequence[EvalSet],
    *,
    best: Choice,
    worst: Choice,
    stages: Stages,
) -> list[dict[str, Any]]:
    """Run every row once, and the two best with two more seeds; return all results.

    All states are captured once, before the first row. Figures 4 and 5 of the paper are drawn into
    the work folder.
    """
    base = workshop.recipe.config(workshop.backbone.facts.n_embd)
    rows = paper_rows(best, worst, base)
    layers = needed_layers(rows, base)
    training = workshop.prepare(stages, layers=layers)
    sets = [
        (
            dataset,
            alone(
                workshop.work / dataset.name,
                workshop.backbone,
                dataset,
                layers=layers,
                progress=stages(dataset.name),
            ),
        )
        for dataset in datasets
    ]
    folder = workshop.work / "rows"
    series = Series(workshop.backbone, base, workshop.recipe, training, sets, folder)
    series.run(rows, progress=stages("rows"))
    top = series.best(2)
    again = with_seeds([row for row in rows if (row.table, row.name) in top], (1, 2))
    series.run(again, progress=stages("seeds"))
    results = series.results()
    draw_depths(results, workshop.work / "figure-4.png")
    draw_losses(layer_losses(sets, best, results), workshop.work / "figure-5.png")
    return results


def layer_losses(
    sets: Sequence[tuple[EvalSet, SetStates]], best: Choice, results: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, tuple[float, float]]]:
    """Compute Figure 5: alignment and uniformity loss of A and U, raw, and of the output O."""
    row = next(item for item in results if (item["table"], item["name"]) == ("table 1", "A->U"))
    losses = {}
    for dataset, states in sets:
        output = row["sets"][dataset.name]
        losses[dataset.name] = {
            "A": output_losses(dataset, layer_vectors(states, best.align_layer)),
            "U": output_losses(dataset, layer_vectors(states, best.uniform_layer)),
            "O": (output["alignment"], output["uniformity"]),
        }
    return losses


def markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """Format results as a Markdown table; the values are means over the sets."""
    head = (
        "table",
        "row",
        "seed",
        "parameters",
        "steps",
        "nDCG@10",
        "recall@10",
        "align",
        "uniform",
    )
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for item in results:
        mean = item["mean"]
        figures = [mean[key] for key in (*_SHOWN, "alignment", "uniformity")]
        start = [
            item["table"],
            item["name"],
            item["seed"],
            f"{item['parameters']:,}",
            item["steps"],
        ]
        cells = [*(str(cell) for cell in start), *(f"{value:.3f}" for value in figures)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _means(figures: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, float]]:
    for key in next(iter(figures.values())):
        yield key, sum(values[key] for values in figures.values()) / len(figures)
