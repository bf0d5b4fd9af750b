"""Draw the paper's Figures 4 and 5 from the results of a series, as PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lmort_memory.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

__all__ = ["draw_depths", "draw_losses"]

_DPI: Final = 110
_WHERE: Final = ("A", "U", "O")  # align layer, uniform layer, output


def draw_depths(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw nDCG@10, mean over the sets, against the number of LMORT layers (Figure 4).

    With several seeds, each is a point; the line is their mean.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    rows = [item for item in results if item["table"] == "figure 4"]
    points = [(int(item["name"].split()[0]), item["mean"]["ndcg@10"]) for item in rows]
    depths = sorted({depth for depth, _ in points})
    means = [_mean([value for at, value in points if at == depth]) for depth in depths]
    figure = _figure(5, 3.5)
    axes = figure.subplots()
    axes.plot(depths, means, marker="o")
    axes.scatter([at for at, _ in points], [value for _, value in points], s=12, alpha=0.6)
    axes.set(xlabel="LMORT layers", ylabel="nDCG@10, mean of the sets", xticks=depths)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=_DPI)


def draw_losses(losses: Mapping[str, Mapping[str, tuple[float, float]]], path: Path) -> None:
    """Draw alignment and uniformity loss of A, U and the output O on each set (Figure 5).

    Args:
        losses: Set -> "A", "U" or "O" -> (alignment, uniformity); lower is better.
        path: The file to write.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figure = _figure(3 + 2 * len(losses), 3.5)
    for index, axes in enumerate(figure.subplots(1, 2)):
        for shift, name in enumerate(_WHERE):
            places = [place + 0.27 * (shift - 1) for place in range(len(losses))]
            axes.bar(places, [found[name][index] for found in losses.values()], 0.25, label=name)
        axes.set_xticks(range(len(losses)), list(losses), fontsize=8)
        axes.set_title(("Alignment loss", "Uniformity loss")[index] + ", lower is better")
        axes.legend()
    figure.savefig(path, dpi=_DPI)


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", extra="train") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
