"""What a speaker said later about the same thing.

A question about the present often finds what was true before: the old fact may be worded more like
the question than the new one. But the new fact is worded like the old one. In the fitting half of
the first-hand set, in stores of 500 records, the nearest later statement of the same speaker is the
new fact for 24 of 38 outdated ones (docs/experiments.md, experiment 24). A lookup is one search
among stored vectors and no forward pass.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.kinds import only_asks
from lmort_memory.memory.overlap import stems, weight
from lmort_memory.store.values import Filter

if TYPE_CHECKING:
    from collections.abc import Collection

    from lmort_memory.memory.evidence import Background
    from lmort_memory.store.protocol import Store
    from lmort_memory.types import Record

__all__ = ["later"]

_LOOKED_AT: Final = 4  # a question or a farewell may be nearer than the new fact
_NEAR: Final = 3.7  # deviations above the background; a cosine of 0.35 with the packaged tuner
_SHARED: Final = 5.0  # weight of shared words: less than a single rare one


def later(
    store: Store, space: str, background: Background, records: Collection[Record]
) -> dict[str, Record]:
    """Find, for each record, the nearest thing that its speaker said later, if it is near enough.

    Args:
        store: Holds the records.
        space: The space whose vectors to compare.
        background: The background of that space.
        records: The earlier records. An assistant's replies are skipped, as are records without
            vectors.

    Returns:
        The later record, by the id of the earlier one.
    """
    from lmort_memory.encoder import mean_vector  # it brings numpy

    said = {one.id: one for one in records if one.role != "assistant"}
    found: dict[str, Record] = {}
    for id_, encoded in store.vectors(space, said).items():
        chosen = Filter(
            scope=said[id_].scope,
            role=said[id_].role,
            since=said[id_].created_at + timedelta(microseconds=1),
            current=True,
        )
        near = store.dense(space, mean_vector(encoded), chosen, limit=_LOOKED_AT)
        ids = [match.id for match in near if background.above(match.score) >= _NEAR]
        there = store.get(ids)
        new = _first_about(said[id_], [there[one] for one in ids if one in there])
        if new is not None:
            found[id_] = new
    return found


def _first_about(old: Record, records: Collection[Record]) -> Record | None:
    """Return the first that states something and shares more than common words with a record."""
    words = stems(old.text)
    for one in records:
        if not only_asks(one.text) and weight(words & stems(one.text)) >= _SHARED:
            return one
    return None
