"""From two rankings to one: fusion by rank, recency, and less of the same. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lmort_memory.store.values import DenseMatch, LexicalMatch
from lmort_memory.types import Scores

__all__ = ["Ranked", "by_score", "fuse", "with_recency"]

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

    One ranking alone keeps its own scores: cosine or BM25. Several are fused by reciprocal rank,

        score = Σ_i w_i / (K + rank_i)  /  Σ_i w_i / (K + 1),

    which is 1 for a record that is first in all of them.

    Args:
        dense: One ranking for each space of vectors.
        lexical: The BM25 ranking, or None if it was not asked for.
    """
    parts = _parts(dense, lexical or ())
    if not dense or (lexical is None and len(dense) == 1):
        return by_score([_alone(ranked) for ranked in parts.values()])
    weights = [DENSE_WEIGHT] * len(dense) + ([LEXICAL_WEIGHT] if lexical is not None else [])
    best = sum(weights) / (RRF_K + 1)
    rankings = [[match.id for match in ranking] for ranking in dense]
    if lexical is not None:
        rankings.append([match.id for match in lexical])
    totals = dict.fromkeys(parts, 0.0)
    for weight, ranking in zip(weights, rankings, strict=True):
        for rank, id_ in enumerate(ranking, 1):
            totals[id_] += weight / (RRF_K + rank)
    return by_score([replace(one, score=totals[id_] / best) for id_, one in parts.items()])


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


def by_score(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Sort best first; of equals the newer record (the greater id) comes first."""
    return sorted(sorted(ranked, key=lambda one: one.id, reverse=True), key=lambda one: -one.score)


def _parts(
    dense: Sequence[Sequence[DenseMatch]], lexical: Sequence[LexicalMatch]
) -> dict[str, Ranked]:
    """Collect what each ranking says about each record; of several spaces, the better cosine."""
    parts: dict[str, Ranked] = {}
    for ranking in dense:
        for rank, match in enumerate(ranking, 1):
            old = parts.get(match.id)
            if old is None or (old.scores.dense or -1.0) < match.score:
                scores = Scores(dense=match.score, dense_rank=rank)
                parts[match.id] = Ranked(match.id, 0.0, scores, match.span)
    for rank, found in enumerate(lexical, 1):
        one = parts.get(found.id, Ranked(found.id, 0.0, Scores()))
        scores = replace(one.scores, bm25=found.score, bm25_rank=rank)
        parts[found.id] = replace(one, scores=scores)
    return parts


def _alone(ranked: Ranked) -> Ranked:
    scores = ranked.scores
    return replace(ranked, score=(scores.bm25 if scores.dense is None else scores.dense) or 0.0)
