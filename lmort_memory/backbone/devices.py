"""How many threads compute, and how many layers go to a graphics card."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from lmort_memory.errors import BackboneError

__all__ = [
    "GPU_VARIABLE",
    "THREADS_VARIABLE",
    "cores",
    "default_threads",
    "gpu_layers_wanted",
    "usable_threads",
]

GPU_VARIABLE: Final = "LMORT_GPU_LAYERS"
THREADS_VARIABLE: Final = "LMORT_THREADS"
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds, period


def default_threads() -> int:
    """Return the number of threads: `$LMORT_THREADS`, or one per core of the machine.

    With more than four cores, hyper-threads only slow each other down and are not counted.

    Raises:
        BackboneError: the variable is not a positive integer.
    """
    if text := os.environ.get(THREADS_VARIABLE):
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            raise BackboneError(
                f"the number of threads is {text!r} — give 1 or more (--threads,"
                f" ${THREADS_VARIABLE})"
            )
        return int(text)
    found = cores()
    return found if found <= 4 else max(4, found // 2)


def usable_threads(given: int | None) -> int:
    """Return how many threads compute: as given or by default, at most one per processor.

    More of them wait for one another at every barrier: ten thousand never end, and memory for more
    cannot be had.

    Raises:
        BackboneError: as `default_threads`.
    """
    return min(given or default_threads(), os.cpu_count() or 1)


def cores(quota: Path = _QUOTA) -> int:
    """Return the cores that this process may use, by CPU affinity and container quota.

    A container limited to two of sixty-four cores still sees all of them; with a thread on each,
    the threads would mostly wait for one another.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with suppress(OSError, ValueError):
        most, period = quota.read_text(encoding="ascii").split()
        return max(1, min(allowed or 1, math.ceil(int(most) / int(period))))
    return allowed or 1


def gpu_layers_wanted(given: int | None = None) -> int:
    """Return how many layers go to a graphics card: as given, else `$LMORT_GPU_LAYERS`, else 0.

    Raises:
        BackboneError: the variable is not an integer; -1 means all layers.
    """
    text = os.environ.get(GPU_VARIABLE, "0") if given is None else str(given)
    try:
        wanted = int(text or "0")
        if wanted < -1:
            raise ValueError(text)
    except ValueError as error:
        raise BackboneError(
            f"the number of layers for the graphics card is {text!r} — "
            f"give 0 for none, -1 for all, or a number (--gpu-layers, ${GPU_VARIABLE})"
        ) from error
    return wanted
