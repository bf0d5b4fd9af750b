"""From two rankings to one: fusion by rank, recency, and less of the same. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lmort_memory.store.values import DenseMatch, LexicalMatch
from lmort_memory.types import Scores

if TYPE_CHECKING:
    from lmort_memory.types import Encoded

__all__ = ["Ranked", "by_score", "fuse", "spread", "with_recency"]

RRF_K = 60  # Cormack, Clarke, Büttcher: Reciprocal rank fusion (SIGIR 2009)
DENSE_WEIGHT = 1.0
LEXICAL_WEIGHT = 1.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """A record on its way to becoming a hit."""

    id: str
    score: float
    scores: Scores
    span: tuple[int, int] | None = None


def fuse(
    dense: Sequence[Sequence[DenseMatch]], lexical: Sequence[LexicalMatch] | None
) -> list[Ranked]:
    """Merge rankings into one, best first.

    A single ranking keeps its own scores, cosine or BM25. Otherwise a record scores

        (w_d / (K + rank_dense) + w_l / (K + rank_lexical)) · (K + 1) / (w_d + w_l),

    which is 1 for one that leads both. Spaces are never compared by cosine: a record that several
    of them rank counts by its best rank, so that one waiting for its new vectors loses nothing.

    Args:
        dense: A ranking for each space of vectors that was asked.
        lexical: The BM25 ranking, or None if words were not asked.
    """
    parts = _parts(dense, lexical or ())
    if len(dense) + (lexical is not None) < 2:
        return by_score([_alone(one) for one in parts.values()])
    weights = (DENSE_WEIGHT if dense else 0.0, LEXICAL_WEIGHT if lexical is not None else 0.0)
    best = sum(weights) / (RRF_K + 1)

    def score(one: Ranked) -> float:
        ranks = (one.scores.dense_rank, one.scores.bm25_rank)
        return sum(w / (RRF_K + r) for w, r in zip(weights, ranks, strict=True) if r) / best

    return by_score([replace(one, score=score(one)) for one in parts.values()])


def with_recency(
    ranked: Sequence[Ranked],
    created: Mapping[str, datetime],
    *,
    now: datetime,
    half_life: timedelta,
) -> list[Ranked]:
    """Multiply each score by 2 ** (-age / half_life); the future counts as now."""
    aged = []
    for one in ranked:
        age = max(now - created[one.id], timedelta(0))
        factor = 2.0 ** -(age / half_life)
        aged.append(
            replace(one, score=one.score * factor, scores=replace(one.scores, recency=factor))
        )
    return by_score(aged)


def spread(
    ranked: Sequence[Ranked], vectors: Mapping[str, Encoded], *, diversity: float
) -> list[Ranked]:
    """Order so that what resembles something better comes later (maximal marginal relevance).

    The next record is always the one with the greatest

        (1 - diversity) · score / best score  -  diversity · (greatest cosine with one before it).

    Args:
        ranked: Best first; their scores stay as they are.
        vectors: Of records of one space; a record without vectors resembles none.
        diversity: From 0, which changes nothing, to 1.
    """
    rest = list(ranked)
    best = max((one.score for one in rest), default=0.0) or 1.0
    nearest = dict.fromkeys((one.id for one in rest), 0.0)
    ordered: list[Ranked] = []
    while rest:
        chosen = max(
            rest,
            key=lambda one: (1 - diversity) * one.score / best - diversity * nearest[one.id],
        )
        rest.remove(chosen)
        ordered.append(chosen)
        for one in rest:
            nearest[one.id] = max(nearest[one.id], _alike(vectors, one.id, chosen.id))
    return ordered


def by_score(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Sort best first; of equals the newer record (the greater id) comes first."""
    return sorted(sorted(ranked, key=lambda one: one.id, reverse=True), key=lambda one: -one.score)


def _parts(
    dense: Sequence[Sequence[DenseMatch]], lexical: Sequence[LexicalMatch]
) -> dict[str, Ranked]:
    """Collect what each ranking says about each record; of several spaces, the better rank."""
    parts: dict[str, Ranked] = {}
    for ranking in dense:
        for rank, match in enumerate(ranking, 1):
            old = parts.get(match.id)
            if old is None or rank < (old.scores.dense_rank or 0):
                scores = Scores(dense=match.score, dense_rank=rank)
                parts[match.id] = Ranked(match.id, 0.0, scores, match.span)
    for rank, found in enumerate(lexical, 1):
        one = parts.get(found.id, Ranked(found.id, 0.0, Scores()))
        scores = replace(one.scores, bm25=found.score, bm25_rank=rank)
        parts[found.id] = replace(one, scores=scores)
    return parts


def _alike(vectors: Mapping[str, Encoded], one: str, other: str) -> float:
    """Return the greatest cosine of two records' chunks; 0 where they are in no common space."""
    if one not in vectors or other not in vectors:
        return 0.0
    left, right = vectors[one].vectors, vectors[other].vectors
    return float((left @ right.T).max()) if left.shape[1] == right.shape[1] else 0.0


def _alone(ranked: Ranked) -> Ranked:
    scores = ranked.scores
    return replace(ranked, score=(scores.bm25 if scores.dense is None else scores.dense) or 0.0)
