"""Memories on a plane: the two principal components of their vectors, by NumPy."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from lmort_memory.serve.schemas import Map, Point
from lmort_memory.store.values import Filter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.memory import Memory

__all__ = ["map_of"]

_LABEL = 160  # characters of a text that a point carries


def map_of(memory: Memory, chosen: Filter, *, most: int) -> Map:
    """Place the chosen records that have vectors; of more than `most`, every so many-th."""
    import numpy as np

    from lmort_memory.blas import one_thread
    from lmort_memory.encoder import mean_vector

    total = memory.store.facets(chosen).total
    space = None if memory.encoder is None else memory.encoder.space
    if space is None or not total:
        return Map(points=[], explained=(0.0, 0.0), total=0, space=space)
    step = -(-total // most)
    sample = list(islice(memory.store.records(chosen), 0, None, step))[::-1]
    vectors = memory.store.vectors(space, [one.id for one in sample])
    sample = [one for one in sample if one.id in vectors]
    if not sample:
        return Map(points=[], explained=(0.0, 0.0), total=0, space=space)
    rows = np.stack([mean_vector(vectors[one.id]) for one in sample]).astype(np.float32)
    with one_thread():  # more are no faster, and on a busy machine wait for each other for seconds
        places, explained = _principal(rows)
    points = [
        Point(
            id=one.id,
            x=round(float(x), 5),
            y=round(float(y), 5),
            session=one.session,
            source=None if one.source is None else one.source.uri,
            role=one.role,
            text=one.text[:_LABEL],
        )
        for one, (x, y) in zip(sample, places, strict=True)
    ]
    return Map(points=points, explained=explained, total=total, space=space)


def _principal(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Return rows on their two principal axes, and each axis's share of the variance.

    The axes' signs are fixed by their largest entry, so that a map does not flip when it is drawn
    again.
    """
    import numpy as np

    centred = rows - rows.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    places = np.zeros((len(rows), 2), np.float32)
    places[:, : axes.shape[1]] = centred @ axes
    variance = max(float(values.sum()), 1e-12)
    first, second = (max(0.0, float(v)) / variance for v in (values[-1], values[-2]))
    return places, (first, second)
