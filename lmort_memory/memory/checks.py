"""Checks of the arguments of `recall` and `supersede`."""

from __future__ import annotations

import math
from datetime import timedelta
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from lmort_memory.text import valid
from lmort_memory.types import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Mode", "as_vector", "check_recall", "id_of"]

Mode: TypeAlias = Literal["hybrid", "dense", "lexical"]
MOST = 2**31 - 1  # SQLite counts no further than 2**63, and multiples of these are asked for


def check_recall(
    *,
    top_k: int,
    mode: str,
    vector: NDArray[np.float32] | None,
    half_life: timedelta | None,
    diversity: float,
    neighbours: int,
    min_score: float | None,
) -> None:
    """Raise an error that names an invalid argument of `recall`, if there is one.

    Raises:
        TypeError: one has the wrong type.
        ValueError: one is out of range.
    """
    _check_types(
        top_k=(top_k, int),
        neighbours=(neighbours, int),
        diversity=(diversity, Real),
        min_score=(min_score, Real | None),
        half_life=(half_life, timedelta | None),
    )
    for name, count, least in (("top_k", top_k, 1), ("neighbours", neighbours, 0)):
        if not least <= count <= MOST:
            raise ValueError(f"{name} must be at least {least} and at most {MOST}; got {count}")
    if min_score is not None and math.isnan(min_score):
        raise ValueError("min_score must be a number; got NaN")
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}; got {mode!r}")
    if not 0 <= diversity <= 1:
        raise ValueError(f"diversity must be from 0 to 1; got {diversity}")
    if half_life is not None and half_life <= timedelta(0):
        raise ValueError(f"half_life must be greater than zero; got {half_life}")
    if vector is not None:
        import numpy as np

        if not np.isfinite(vector).all():
            raise ValueError("the query's vector must be finite; got NaN or infinity")


def as_vector(numbers: object) -> NDArray[np.float32]:
    """Return a query's vector given as an array or as any sequence of numbers.

    Raises:
        TypeError, ValueError: it holds something else.
    """
    import numpy as np

    return np.asarray(numbers, np.float32)


def id_of(record: str | Record) -> str:
    """Return the id of a record that was given as such or by its id.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(record, Record):
        return record.id
    if not isinstance(record, str):
        raise TypeError(f"a record or its id is needed; got {type(record).__name__}")
    return valid(record)


def _check_types(**given: tuple[object, Any]) -> None:
    for name, (value, kind) in given.items():
        if not isinstance(value, kind):
            wanted = getattr(kind, "__name__", str(kind))
            raise TypeError(f"recall() takes {name} as {wanted}; got {type(value).__name__}")
