"""The paper's heat maps (Figures 1 and 3): layers by sets, redder is better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmort_memory.errors import MissingDependencyError

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from .analyze import Analysis

__all__ = ["draw_heatmap"]


def draw_heatmap(analysis: Analysis, kind: str, path: Path) -> None:
    """Draw alignment and uniformity loss of every layer and set, and their averages, as PNG.

    Colours span the range of each column, so that sets of different difficulty can be compared; the
    numbers are the losses.

    Args:
        analysis: The measured losses.
        kind: "raw" or "standardised".
        path: The file to write.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", extra="train") from error
    names = [*(item.set for item in analysis.sets), "AVG"]
    losses = [*(getattr(item, kind) for item in analysis.sets), analysis.mean(kind)]
    n_layer = len(losses[0].alignment)
    figure = Figure(figsize=(3 + 1.8 * len(names), 1.5 + 0.24 * n_layer), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    for axis, loss in zip(axes, ("alignment", "uniformity"), strict=True):
        table = np.stack([getattr(item, loss) for item in losses], axis=1)  # (layers, sets)
        _draw_table(axis, table, names)
        axis.set_title(f"{loss.capitalize()} loss, {kind} states")
    figure.suptitle(f"{analysis.model}: redder is better")
    figure.savefig(path, dpi=110)


def _draw_table(axis: Axes, table: NDArray[np.float64], names: list[str]) -> None:
    low, high = table.min(axis=0), table.max(axis=0)
    shade = (high - table) / np.where(high > low, high - low, 1)
    axis.imshow(shade, cmap="coolwarm", aspect="auto", origin="lower", vmin=0, vmax=1)
    for (layer, column), value in np.ndenumerate(table):
        axis.text(column, layer, f"{value:.3f}", ha="center", va="center", fontsize=6)
    axis.set_xticks(range(len(names)), names, fontsize=7, rotation=20)
    axis.set_yticks(range(len(table)), [f"#{layer}" for layer in range(len(table))], fontsize=6)
