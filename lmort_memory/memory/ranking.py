"""From two rankings to one: fusion, lending, recency, less of the same. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from lmort_memory.store.values import DenseMatch, LexicalMatch
from lmort_memory.types import Scores

if TYPE_CHECKING:
    from lmort_memory.types import Encoded

__all__ = ["NOBODY", "Ranked", "by_score", "fuse", "spread", "with_recency"]

# Equal weights of two scores scaled to [0, 1], a convex combination as in Bruch, Gai, Ingber: An
# Analysis of Fusion Functions for Hybrid Retrieval (TOIS 2023). Experiment 6 of docs/experiments.md
# compares it with reciprocal ranks, which throw away by how much something is better.
DENSE_WEIGHT = 0.5
LEXICAL_WEIGHT = 0.5
LEAST_SPREAD = 0.2  # of cosines: among a few records a small difference is no large one
# What a turn lends to the turn after it, of its nearness and of its words (experiments 6 and 15).
NEARNESS_LENT = 0.3
WORDS_LENT = 0.5
NOBODY: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Ranked:
    """A record on its way to becoming a hit."""

    id: str
    score: float
    scores: Scores
    span: tuple[int, int] | None = None


def fuse(
    dense: Sequence[Sequence[DenseMatch]],
    lexical: Sequence[LexicalMatch] | None,
    followers: Mapping[str, str] = NOBODY,
) -> list[Ranked]:
    """Merge rankings into one, best first.

    A single ranking keeps its own scores, cosine or BM25. Otherwise a record scores

        w_d · (cos - low_d) / max(top_d - low_d, LEAST_SPREAD) + w_l · bm25 / top_l,

    from the best (top) and the worst (low) of its ranking, and 0 for a ranking that it is not in.
    Of each of the two parts, every turn lends some to the turn after it in its session: in a
    conversation the words of a question stand in the turn that asked it, and the answer follows
    without them. A part that this lifts above 1 is scaled back, for all.

    Spaces are never compared by cosine but by rank: the r-th of each is worth what the r-th of the
    largest is, and a record in several counts by the best, so that neither one waiting for its new
    vectors nor the first to have some loses anything.

    Args:
        dense: A ranking for each space of vectors that was asked.
        lexical: The BM25 ranking, or None if words were not asked.
        followers: Id of a turn -> id of the turn after it, if that may be found.
    """
    parts = _parts(dense, lexical or ())
    if len(dense) + (lexical is not None) < 2:
        return by_score([_alone(one) for one in parts.values()])
    weights = (DENSE_WEIGHT if dense else 0.0, LEXICAL_WEIGHT if lexical is not None else 0.0)
    near = _with_lent(_nearness(dense), followers, NEARNESS_LENT)
    worded = _with_lent(_wordedness(lexical or ()), followers, WORDS_LENT)

    def score(id_: str) -> float:
        both = weights[0] * near.get(id_, 0.0) + weights[1] * worded.get(id_, 0.0)
        return both / sum(weights)

    found = [parts.get(id_) or Ranked(id_, 0.0, Scores()) for id_ in {**parts, **near, **worded}]
    return by_score([replace(one, score=score(one.id)) for one in found])


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


def _nearness(rankings: Sequence[Sequence[DenseMatch]]) -> dict[str, float]:
    """Scale the cosines of the longest ranking to [0, 1]; the others share its scale by rank."""
    cosines = [match.score for match in max(rankings, key=len, default=())]
    low = min(cosines, default=0.0)
    width = max(max(cosines, default=0.0) - low, LEAST_SPREAD)
    scaled = [(cosine - low) / width for cosine in cosines]
    nearness: dict[str, float] = {}
    for ranking in rankings:
        for match, value in zip(ranking, scaled, strict=False):
            nearness[match.id] = max(nearness.get(match.id, 0.0), value)
    return nearness


def _with_lent(
    scores: Mapping[str, float], followers: Mapping[str, str], share: float
) -> dict[str, float]:
    """Add a share of each score to that of the follower, and scale so that none is above 1."""
    total = dict(scores)
    for id_, after in followers.items():
        if id_ in scores:
            total[after] = total.get(after, 0.0) + share * scores[id_]
    top = max(1.0, max(total.values(), default=0.0))
    return {id_: score / top for id_, score in total.items()}


def _wordedness(lexical: Sequence[LexicalMatch]) -> dict[str, float]:
    """Divide each BM25 by the best."""
    top = max((match.score for match in lexical), default=0.0)
    return {match.id: match.score / top for match in lexical} if top > 0 else {}


def _alike(vectors: Mapping[str, Encoded], one: str, other: str) -> float:
    """Return the greatest cosine of two records' chunks; 0 where they are in no common space."""
    if one not in vectors or other not in vectors:
        return 0.0
    left, right = vectors[one].vectors, vectors[other].vectors
    return float((left @ right.T).max()) if left.shape[1] == right.shape[1] else 0.0


def _alone(ranked: Ranked) -> Ranked:
    scores = ranked.scores
    return replace(ranked, score=(scores.bm25 if scores.dense is None else scores.dense) or 0.0)
