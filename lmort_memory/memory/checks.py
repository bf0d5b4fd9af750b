"""Checks of the arguments of `recall`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Mode", "check_recall"]

Mode: TypeAlias = Literal["hybrid", "dense", "lexical"]


def check_recall(
    *,
    top_k: int,
    mode: str,
    vector: NDArray[np.float32] | None,
    half_life: timedelta | None,
    diversity: float,
    neighbours: int,
) -> None:
    """Raise a ValueError that names an invalid argument of `recall`, if there is one."""
    if top_k < 1:
        raise ValueError(f"top_k must be at least 1; got {top_k}")
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}; got {mode!r}")
    if neighbours < 0:
        raise ValueError(f"neighbours must be at least 0; got {neighbours}")
    if not 0 <= diversity <= 1:
        raise ValueError(f"diversity must be from 0 to 1; got {diversity}")
    if half_life is not None and half_life <= timedelta(0):
        raise ValueError(f"half_life must be greater than zero; got {half_life}")
    if vector is not None:
        import numpy as np

        if not np.isfinite(vector).all():
            raise ValueError("the query's vector must be finite; got NaN or infinity")
