"""The steps of one recall: rank, fuse, weigh by age, collapse what says the same, show the hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lmort_memory.memory.ranking import NOBODY, Ranked, fuse, spread, with_recency
from lmort_memory.store.protocol import Store
from lmort_memory.store.values import DenseMatch, Filter, LexicalMatch
from lmort_memory.types import Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.types import Encoded

__all__ = ["Recall"]

DEPTH = 100  # records that each ranking gives to the fusion


@dataclass(frozen=True, slots=True)
class Recall:
    """One question to a store.

    Attributes:
        query: Its words; None where only vectors count.
        vectors: Its vector in each space that is asked, the present space first.
        chosen: Which records may be found.
        top_k: The most hits.
    """

    store: Store
    query: str | None
    vectors: Mapping[str, NDArray[np.float32]]
    chosen: Filter
    top_k: int

    def ranked(self, *, half_life: timedelta | None, diversity: float) -> list[Ranked]:
        """Return records best first, more than `top_k` of them."""
        depth = max(DEPTH, 2 * self.top_k)
        dense, lexical = self._dense(self.chosen, depth), self._lexical(self.chosen, depth)
        ranked = fuse(dense, lexical, self._followers(dense, lexical))
        if half_life is not None:
            ranked = self._aged(ranked, half_life)
        if diversity > 0:
            some = ranked[: max(4 * self.top_k, 20)]
            ranked = spread(some, self._vectors(some), diversity=diversity)
        return ranked

    def explained(self, ranked: Sequence[Ranked]) -> list[Ranked]:
        """Fill in the scores that a ranking did not give, since the record came too late in it."""
        only = replace(self.chosen, ids=tuple(one.id for one in ranked))
        dense = {m.id: m for found in self._dense(only, len(ranked)) for m in reversed(found)}
        lexical = {match.id: match for match in self._lexical(only, len(ranked)) or ()}
        return [_filled(one, dense.get(one.id), lexical.get(one.id)) for one in ranked]

    def hits(self, ranked: Sequence[Ranked], *, neighbours: int) -> list[Hit]:
        """Return the records as hits; those forgotten meanwhile are missing."""
        found = self.store.get(one.id for one in ranked)
        return [
            Hit(
                record=found[one.id],
                score=one.score,
                rank=rank,
                scores=one.scores,
                span=one.span,
                neighbours=tuple(self.store.around(one.id, neighbours)) if neighbours else (),
            )
            for rank, one in enumerate((one for one in ranked if one.id in found), 1)
        ]

    def _dense(self, chosen: Filter, depth: int) -> list[list[DenseMatch]]:
        return [
            self.store.dense(space, vector, chosen, limit=depth)
            for space, vector in self.vectors.items()
        ]

    def _lexical(self, chosen: Filter, depth: int) -> list[LexicalMatch] | None:
        return None if self.query is None else self.store.lexical(self.query, chosen, limit=depth)

    def _followers(
        self, dense: Sequence[Sequence[DenseMatch]], lexical: Sequence[LexicalMatch] | None
    ) -> Mapping[str, str]:
        """Find the turns after those that both rankings have; one alone keeps its own scores."""
        if not dense or lexical is None:
            return NOBODY
        ids = {m.id: None for found in dense for m in found} | {m.id: None for m in lexical}
        return self.store.followers(list(ids), self.chosen)

    def _aged(self, ranked: Sequence[Ranked], half_life: timedelta) -> list[Ranked]:
        found = self.store.get(one.id for one in ranked)
        created = {id_: record.created_at for id_, record in found.items()}
        kept = [one for one in ranked if one.id in created]
        return with_recency(kept, created, now=datetime.now(UTC), half_life=half_life)

    def _vectors(self, ranked: Sequence[Ranked]) -> Mapping[str, Encoded]:
        vectors: dict[str, Encoded] = {}
        for space in self.vectors:
            missing = [one.id for one in ranked if one.id not in vectors]
            vectors |= self.store.vectors(space, missing)
        return vectors


def _filled(one: Ranked, dense: DenseMatch | None, lexical: LexicalMatch | None) -> Ranked:
    scores = one.scores
    if scores.dense is None and dense is not None:
        scores = replace(scores, dense=dense.score)
    if scores.bm25 is None and lexical is not None:
        scores = replace(scores, bm25=lexical.score)
    return replace(one, scores=scores, span=one.span or (dense.span if dense else None))
