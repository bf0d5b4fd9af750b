"""Canaries: a few fixed texts whose vectors show when the same model computes differently.

Vectors of one space may come from several builds of llama.cpp, weight types and back-ends. Those
that differ only by rounding mix well. Others do not: a question of today is then far from the
records of yesterday, and nothing fails, recall only finds less. So each space keeps the vectors of
`TEXTS`. When something that computes has changed, they are made again and compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.store.protocol import CanaryKeeper
from lmort_memory.store.values import Canaries, Filter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Event

    from numpy.typing import NDArray

    from lmort_memory.store.protocol import Store
    from lmort_memory.types import Encoder, Progress, Record

__all__ = ["LEAST", "TEXTS", "Drift", "check", "drift_of", "drifts", "renew"]

TEXTS: Final = (
    "Ada keeps bees on the roof of the old library in Trondheim.",
    "def total(rows): return sum(row.price * row.count for row in rows)",
    "Am 3. Mai um 17:40 fährt der Zug von Gleis 9 nach Köln.",
    "Завтра в десять встречаемся у моста, возьми зонт.",  # noqa: RUF001  Russian
    "周末我们去山里看红叶，记得带上热茶。",  # noqa: RUF001  Chinese
    "المكتبة مغلقة يوم الجمعة وتفتح بعد الظهر.",
)
LEAST: Final = 0.99
"""The smallest cosine that is not drift; docs/experiments.md has the measurements behind it."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A space whose stored vectors are not those that the model makes now.

    Attributes:
        space: The space.
        cosine: The smallest cosine of a canary then and now.
    """

    space: str
    cosine: float

    def describe(self) -> str:
        """Say in one line what happened and what to do."""
        return (
            f"the stored vectors were made by another build, weight type or device: cosine"
            f" {self.cosine:.3f} with those made now, where {LEAST} is the least — recall by"
            " meaning finds less; run: lmort-mem reencode"
        )


def check(encoder: Encoder, store: Store, *, first: bool = True) -> bool:
    """Compare the canaries of the encoder's space, if what computes has changed since.

    Costs one SELECT if nothing has changed, else one batch of six short texts.

    Args:
        encoder: Makes the vectors.
        store: Keeps them.
        first: Make the first set of a space that has none.

    Returns:
        Whether there was something to compare with, or a first set was stored. False for a space
        without vectors, or an encoder or store that does not take part.
    """
    computes: str | None = getattr(encoder, "environment", None)
    if computes is None or not isinstance(store, CanaryKeeper):
        return False
    kept = store.canaries(encoder.space)
    if kept is not None and kept.checked_by == computes:
        return True
    if kept is None and not first:
        return False
    if all(space.name != encoder.space for space in store.spaces()):
        return False
    made = _made(encoder)
    if kept is None or kept.vectors.shape != made.shape:
        store.put_canaries(encoder.space, Canaries(made, computes, 1.0))
    else:
        cosine = float((kept.vectors * made).sum(axis=1).min())
        changed = replace(kept, checked_by=computes, cosine=cosine, renewed_upto=None)
        store.put_canaries(encoder.space, changed)
    return True


def drifts(store: Store) -> list[Drift]:
    """Return the spaces that the last comparisons found to have drifted."""
    if not isinstance(store, CanaryKeeper):
        return []
    every = (drift_of(store, space.name) for space in store.spaces())
    return [drift for drift in every if drift is not None]


def drift_of(store: Store, space: str) -> Drift | None:
    """Return how far one space was found to have drifted, or None; costs one SELECT."""
    kept = store.canaries(space) if isinstance(store, CanaryKeeper) else None
    if kept is None or kept.cosine >= LEAST:
        return None
    return Drift(space, kept.cosine)  # or NaN


def renew(
    encoder: Encoder, store: Store, *, batch_size: int, stop: Event, progress: Progress | None
) -> int:
    """Make all vectors of a space anew if it has drifted; returns of how many records.

    Each batch replaces the old vectors in one transaction, so a stop loses nothing: the next call
    continues. At the end the canaries are those made now.
    """
    if not isinstance(store, CanaryKeeper):
        return 0
    kept = store.canaries(encoder.space)
    if kept is None or drift_of(store, encoder.space) is None:
        return 0
    done, total = 0, store.status().records
    batch: list[Record] = []
    for record in store.records(Filter(expired=True), after=kept.renewed_upto):
        batch.append(record)
        if len(batch) == batch_size:
            done += _replaced(encoder, store, batch)
            batch = []
            if progress is not None:
                progress(done, max(total, done))
            if stop.is_set():
                return done
    if batch:
        done += _replaced(encoder, store, batch)
    store.put_canaries(encoder.space, Canaries(_made(encoder), kept.checked_by, 1.0))
    return done


def _replaced(encoder: Encoder, store: CanaryKeeper, batch: Sequence[Record]) -> int:
    encoded = encoder.encode([record.text for record in batch])
    store.replace_vectors(encoder.space, batch, encoded)
    return len(batch)


def _made(encoder: Encoder) -> NDArray[np.float32]:
    """Encode the canaries, float32 (len(TEXTS), dim)."""
    made: NDArray[np.float32] = np.stack([one.vectors[0] for one in encoder.encode(TEXTS)])
    return made
