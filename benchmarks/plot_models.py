"""Size of a model against what it finds: the figure of docs/models.md.

    python -m benchmarks.plot_models benchmarks/results/models.json docs/images/models.png

The file's rows are those of the page's table. Needs matplotlib.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def plot(rows: list[dict[str, object]], out: Path) -> None:
    """Draw recall@10 by vectors and with words, one point a model, over its parameters."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    sizes = [float(str(row["parameters_m"])) for row in rows]
    for part, marker in (("hybrid", "s"), ("dense", "o")):
        axes.semilogx(sizes, [row[part] for row in rows], marker, label=part)
    for size, row in zip(sizes, rows, strict=True):
        axes.annotate(str(row["model"]), (size, float(str(row["dense"]))), (0, -14),
                      textcoords="offset points", ha="center", fontsize=7)  # fmt: skip
    axes.set(xlabel="million parameters", ylabel="LoCoMo, recall@10", ylim=(0.36, 0.68))
    axes.margins(x=0.15)
    axes.legend()
    figure.savefig(out, dpi=130, metadata={"Software": None})


if __name__ == "__main__":
    plot(json.loads(Path(sys.argv[1]).read_text())["rows"], Path(sys.argv[2]))
