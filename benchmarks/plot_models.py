"""Size of a model against what it finds: the figure of docs/models.md.

    python -m benchmarks.plot_models benchmarks/results/models.json docs/images/models.png

The file is that of `benchmarks.bench_models`. Needs matplotlib.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SET, METRIC = "locomo_dev", "recall@10"


def plot(models: Mapping[str, Mapping[str, Any]], out: Path) -> None:
    """Draw recall@10 by vectors and with words, one point a model, over its parameters."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    sizes = [one["parameters_m"] for one in models.values()]
    found = {
        part: [one["sets"][SET][part][METRIC] for one in models.values()]
        for part in ("hybrid", "dense")
    }
    for (part, values), marker in zip(found.items(), "so", strict=True):
        axes.semilogx(sizes, values, marker, label=part)
    for name, size, value in zip(models, sizes, found["dense"], strict=True):
        axes.annotate(
            name, (size, value), (0, -14), textcoords="offset points", ha="center", fontsize=7
        )
    axes.set(xlabel="million parameters", ylabel="LoCoMo, recall@10, turns alone")
    axes.margins(x=0.15, y=0.2)
    axes.legend()
    figure.savefig(out, dpi=130, metadata={"Software": None})


if __name__ == "__main__":
    plot(json.loads(Path(sys.argv[1]).read_text())["models"], Path(sys.argv[2]))
