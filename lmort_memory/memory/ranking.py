"""From two rankings to one: fusion, lending, recency, less of the same. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.weights import USUAL_COVERAGE, Weights, weights_of
from lmort_memory.store.values import DenseMatch, LexicalMatch
from lmort_memory.types import Scores

if TYPE_CHECKING:
    from lmort_memory.types import Encoded

__all__ = ["NOBODY", "Ranked", "by_score", "fuse", "spread", "with_recency"]

LEAST_SPREAD = 0.2  # of cosines: among a few records a small difference is no large one
LEAST_TOKEN_SPREAD = 0.1
# What a turn lends to the turn after it, of its nearness and of its words (experiments 6 and 15).
NEARNESS_LENT = 0.3
WORDS_LENT = 0.5
LEAST_STRENGTH = 0.05  # so that scores keep their order where nothing is near
NOBODY: Final[Mapping[str, str]] = MappingProxyType({})
NO_TOKENS: Final[Mapping[str, float]] = MappingProxyType({})


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
    tokens: Mapping[str, float] = NO_TOKENS,
    *,
    coverage: float = USUAL_COVERAGE,
) -> list[Ranked]:
    """Merge rankings into one, best first.

    A single ranking keeps its own scores, cosine or BM25. Otherwise a record scores

        strength · (w_d · near + w_t · alike + w_l · worded),

        near = 1 - (top cosine - cosine) / max(top - lowest cosine, LEAST_SPREAD),
        alike: the same of the comparison token by token, with LEAST_TOKEN_SPREAD,
        worded = bm25 / top bm25,

    and 0 in a part for a ranking that it is not in; a record without codes of tokens is as alike as
    it is near. The weights are those of the question (`weights.py`). They and the parts give the
    order; `strength`, the best cosine or comparison that was found, is the same for all hits, so
    that a score also says how good the best one is.

    Of each part, every turn lends some to the turn after it in its session: in a conversation the
    words of a question stand in the turn that asked it, and the answer follows without them. A part
    that this lifts above 1 is scaled back, for all.

    Spaces are never compared by cosine but by rank: the r-th of each is worth what the r-th of the
    largest is, and a record in several counts by the best, so that neither one waiting for its new
    vectors nor the first to have some loses anything.

    Args:
        dense: A ranking for each space of vectors that was asked.
        lexical: The BM25 ranking, or None if words were not asked.
        followers: Id of a turn -> id of the turn after it, if that may be found.
        tokens: Id -> comparison token by token; empty where the question has no tokens.
        coverage: Share of the question's letters that stand in the best record by words.
    """
    parts = _parts(dense, lexical or (), tokens)
    if len(dense) + (lexical is not None) + bool(tokens) < 2:
        return by_score([_alone(one) for one in parts.values()])
    near, worded = _nearness(dense), _wordedness(lexical or ())
    alike = near | _scaled(tokens, LEAST_TOKEN_SPREAD) if tokens else {}
    weights = weights_of(
        dense=bool(dense), tokens=bool(tokens), words=lexical is not None, coverage=coverage
    )
    near = _with_lent(near, followers, NEARNESS_LENT)
    alike = _with_lent(alike, followers, NEARNESS_LENT)
    worded = _with_lent(worded, followers, WORDS_LENT)
    strength = _strength(dense, tokens)

    def scored(one: Ranked) -> Ranked:
        score = (
            weights.dense * near.get(one.id, 0.0)
            + weights.tokens * alike.get(one.id, 0.0)
            + weights.words * worded.get(one.id, 0.0)
        )
        return replace(one, score=strength * score, scores=_with_weights(one.scores, weights))

    found = dict.fromkeys([*parts, *near, *alike, *worded])
    return by_score([scored(parts.get(id_) or Ranked(id_, 0.0, Scores())) for id_ in found])


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
    dense: Sequence[Sequence[DenseMatch]],
    lexical: Sequence[LexicalMatch],
    tokens: Mapping[str, float],
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
    for id_, value in tokens.items():
        one = parts.get(id_, Ranked(id_, 0.0, Scores()))
        parts[id_] = replace(one, scores=replace(one.scores, tokens=value))
    return parts


def _nearness(rankings: Sequence[Sequence[DenseMatch]]) -> dict[str, float]:
    """Scale the cosines of the longest ranking to [0, 1]; the others share its scale by rank."""
    longest = max(rankings, key=len, default=())
    scaled = list(_scaled({match.id: match.score for match in longest}, LEAST_SPREAD).values())
    nearness: dict[str, float] = {}
    for ranking in rankings:
        for match, value in zip(ranking, scaled, strict=False):
            nearness[match.id] = max(nearness.get(match.id, 0.0), value)
    return nearness


def _scaled(values: Mapping[str, float], least: float) -> dict[str, float]:
    """Scale so that the best is 1 and the worst 0, or more where all are within `least`."""
    top, low = max(values.values(), default=0.0), min(values.values(), default=0.0)
    width = max(top - low, least)
    return {id_: 1 - (top - value) / width for id_, value in values.items()}


def _strength(dense: Sequence[Sequence[DenseMatch]], tokens: Mapping[str, float]) -> float:
    """The best cosine of all kinds, from `LEAST_STRENGTH` to 1; 1 where there are no vectors."""
    cosines = [match.score for found in dense for match in found] + list(tokens.values())
    return min(1.0, max(LEAST_STRENGTH, *cosines)) if cosines else 1.0


def _with_weights(scores: Scores, weights: Weights) -> Scores:
    return replace(
        scores,
        dense_weight=weights.dense,
        tokens_weight=weights.tokens,
        bm25_weight=weights.words,
    )


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
