"""Tables in Markdown, figures with their spread, and where they come from."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

Result = Mapping[str, Any]


@cache
def load(results: Path, name: str) -> Result:
    """Return one result, and under "file" what it is called."""
    found: Result = json.loads((results / f"{name}.json").read_text())
    return {**found, "file": f"{name}.json"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def source(*results: Result) -> str:
    """Say which files have the figures, of which commit and day; commands are in the files."""
    told = []
    for result in results:
        where = result.get("environment", result)
        link = f"[{result['file']}](../benchmarks/results/{result['file']})"
        told.append(f"{link}, commit {where['commit']}, {where['at'][:10]}")
    return f"({'; '.join(told)})"


def with_source(body: str, *results: Result) -> str:
    """Put the line about files, commits and days below a table."""
    return f"{body}\n\n{source(*results)}"


def number(value: float, digits: int = 3) -> str:
    """Return a figure with so many significant digits, thousands separated."""
    if value == 0:
        return "0"
    size = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    decimals = max(0, digits - max(1, size)) if abs(value) >= 0.1 else digits
    return f"{value:,.{decimals}f}"


def median(values: Sequence[float], digits: int = 3) -> str:
    """Return the median of some runs."""
    return number(statistics.median(values), digits)


def ranged(middle: float, low: float, high: float, digits: int = 3) -> str:
    """Return "middle (low to high)"."""
    return f"{number(middle, digits)} ({number(low, digits)} to {number(high, digits)})"


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Return "median (least to most)" of some runs; the value alone where there is one."""
    if len(values) == 1:
        return median(values, digits)
    return ranged(statistics.median(values), min(values), max(values), digits)


def of_summary(found: Mapping[str, float], digits: int = 3) -> str:
    """Return the same of what a bench has summed up already."""
    return ranged(found["median"], found["min"], found["max"], digits)


def percent(share: float) -> str:
    """Return a share as a percentage, with one decimal below ten."""
    return f"{100 * share:.{1 if share < 0.1 else 0}f} %"
