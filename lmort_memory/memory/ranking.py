"""Merging rankings: fusion, lending, recency, diversity. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.weights import USUAL_COVERAGE, Weights, weights_of
from lmort_memory.store.values import DenseMatch, LexicalMatch
from lmort_memory.types import Scores

if TYPE_CHECKING:
    from lmort_memory.types import Encoded

__all__ = ["NOBODY", "Ranked", "boosted", "by_score", "fuse", "spread", "with_recency"]

LEAST_SPREAD = (
    0.2  # minimum spread of cosines, so that few records do not inflate small differences
)
LEAST_TOKEN_SPREAD = 0.1
# Share of its nearness and of its words that a question lends to its answer (experiment 42).
NEARNESS_LENT = 0.3
WORDS_LENT = 0.8
LEAST_STRENGTH = 0.05  # keeps the order of scores if nothing is near
NOBODY: Final[Mapping[str, str]] = MappingProxyType({})
NO_TOKENS: Final[Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Ranked:
    """A record that may become a hit."""

    id: str
    score: float
    scores: Scores
    span: tuple[int, int] | None = None


def fuse(
    dense: Sequence[Sequence[DenseMatch]],
    lexical: Sequence[LexicalMatch] | None,
    answers: Mapping[str, str] = NOBODY,
    tokens: Mapping[str, float] = NO_TOKENS,
    exchanges: Mapping[str, float] = NO_TOKENS,
    *,
    coverage: float = USUAL_COVERAGE,
    talk: float = 0.0,
    behind: Collection[str] = (),
) -> list[Ranked]:
    """Merge rankings into one, best first.

    A single ranking keeps its own scores, cosine or BM25. Otherwise a record's score is

        strength · (w_d · near + w_t · alike + w_l · worded),

        near = 1 - (top cosine - cosine) / max(top - lowest cosine, LEAST_SPREAD),
        alike: the same for the token-by-token comparison, with LEAST_TOKEN_SPREAD,
        worded = bm25 / top bm25,

    where a part is 0 if the record is not in that ranking; without token codes, `alike` equals
    `near`. The weights depend on the question (`weights.py`). Weights and parts determine the
    order; `strength`, the best cosine or comparison found, is the same for all hits, so a score
    also shows how good the best hit is.

    A turn that asks lends a share of `near` and of `worded` to the next turn in its session: in a
    conversation the words of a question are in the turn that asked it, and the answer follows
    without them. If this lifts a part above 1, that part is scaled back for all. For `alike` an
    answer is compared together with its question.

    Spaces are compared by rank, never by cosine: the r-th of each space is worth as much as the
    r-th of the largest, and a record in several counts by its best rank. So neither records that
    lack new vectors nor the first to have them are at a disadvantage.

    Args:
        dense: One ranking per vector space that was searched.
        lexical: The BM25 ranking, or None if words were not searched.
        answers: Id of a turn that asks -> id of the next turn, if that may be found.
        tokens: Id -> token-by-token comparison; empty if the question has no tokens.
        exchanges: Id of an answer -> comparison of it and its question together.
        coverage: Share of the question's letters found in the best record by words.
        talk: How far this is about talk, see `weights_of`.
        behind: Records that set no scale: the best of the others counts as the best, so that what
            was asked before changes no other record's score.
    """
    parts = _Parts.of(dense, lexical or (), tokens)
    if len(dense) + (lexical is not None) + bool(tokens) < 2:
        return by_score([parts.alone(id_) for id_ in parts.ids()])
    near, worded = _nearness(dense, behind), _wordedness(lexical or (), behind)
    alike = near | _scaled({**tokens, **exchanges}, LEAST_TOKEN_SPREAD, behind) if tokens else {}
    weights = weights_of(
        dense=bool(dense),
        tokens=bool(tokens),
        words=lexical is not None,
        coverage=coverage,
        talk=talk,
    )
    near = _with_lent(near, answers, NEARNESS_LENT)
    worded = _with_lent(worded, answers, WORDS_LENT)
    strength = _strength(dense, tokens, behind)

    def scored(id_: str) -> Ranked:
        score = (
            weights.dense * near.get(id_, 0.0)
            + weights.tokens * alike.get(id_, 0.0)
            + weights.words * worded.get(id_, 0.0)
        )
        return Ranked(id_, strength * score, parts.scores(id_, weights), parts.span(id_))

    return by_score([scored(id_) for id_ in dict.fromkeys([*parts.ids(), *near, *alike, *worded])])


def boosted(ranked: Sequence[Ranked], shares: Mapping[str, float]) -> list[Ranked]:
    """Add to some scores a share of the best, and scale so that the best score stays the same.

    No score becomes negative by this.

    Args:
        ranked: Best first.
        shares: Id -> share of the best score; may be negative.
    """
    if not any(shares.values()):
        return list(ranked)
    best = ranked[0].score
    added = [one.score + best * shares.get(one.id, 0.0) for one in ranked]
    scale = best / max(added) if max(added) > 0 else 1.0

    def with_boost(one: Ranked, score: float) -> Ranked:
        share = shares.get(one.id)
        scores = one.scores if share is None else replace(one.scores, boost=share)
        return Ranked(one.id, max(min(0.0, one.score), scale * score), scores, one.span)

    return by_score([with_boost(*both) for both in zip(ranked, added, strict=True)])


def with_recency(
    ranked: Sequence[Ranked],
    created: Mapping[str, datetime],
    *,
    now: datetime,
    half_life: timedelta,
) -> list[Ranked]:
    """Multiply each score by 2 ** (-age / half_life); future times count as now."""
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
    """Demote records that resemble better ones (maximal marginal relevance).

    The next record is always the one with the greatest

        (1 - diversity) · score / best score  -  diversity · (greatest cosine with one before it).

    Args:
        ranked: Best first; the scores stay unchanged.
        vectors: Vectors of records in one space; a record without vectors resembles none.
        diversity: 0 (no change) to 1.
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
    """Sort best first; of equal scores the newer record (the greater id) comes first."""
    return sorted(sorted(ranked, key=lambda one: one.id, reverse=True), key=lambda one: -one.score)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Each record's place in each ranking, from 1."""

    dense: Mapping[str, tuple[int, DenseMatch]]
    lexical: Mapping[str, tuple[int, LexicalMatch]]
    tokens: Mapping[str, float]

    @classmethod
    def of(
        cls,
        dense: Sequence[Sequence[DenseMatch]],
        lexical: Sequence[LexicalMatch],
        tokens: Mapping[str, float],
    ) -> _Parts:
        """Collect the places; of several spaces, the one with the best rank."""
        near: dict[str, tuple[int, DenseMatch]] = {}
        for ranking in dense:
            for rank, match in enumerate(ranking, 1):
                if match.id not in near or rank < near[match.id][0]:
                    near[match.id] = rank, match
        return cls(near, {found.id: (rank, found) for rank, found in enumerate(lexical, 1)}, tokens)

    def ids(self) -> list[str]:
        """Return the ids of all records, each once."""
        return list(dict.fromkeys([*self.dense, *self.lexical, *self.tokens]))

    def span(self, id_: str) -> tuple[int, int] | None:
        """Return the span of the chunk that is nearest."""
        return self.dense[id_][1].span if id_ in self.dense else None

    def scores(self, id_: str, weights: Weights | None = None) -> Scores:
        """Return a record's scores."""
        dense_rank, near = self.dense.get(id_, (None, None))
        bm25_rank, worded = self.lexical.get(id_, (None, None))
        return Scores(
            dense=near.score if near else None,
            bm25=worded.score if worded else None,
            dense_rank=dense_rank,
            bm25_rank=bm25_rank,
            tokens=self.tokens.get(id_),
            dense_weight=weights.dense if weights else None,
            tokens_weight=weights.tokens if weights else None,
            bm25_weight=weights.words if weights else None,
        )

    def alone(self, id_: str) -> Ranked:
        """Return a record with its score in the only ranking."""
        scores = self.scores(id_)
        score = (scores.bm25 if scores.dense is None else scores.dense) or 0.0
        return Ranked(id_, score, scores, self.span(id_))


def _nearness(
    rankings: Sequence[Sequence[DenseMatch]], behind: Collection[str]
) -> dict[str, float]:
    """Scale the cosines of the longest ranking to [0, 1]; the others share its scale by rank."""
    longest = max(rankings, key=len, default=())
    cosines = {match.id: match.score for match in longest}
    scaled = list(_scaled(cosines, LEAST_SPREAD, behind).values())
    nearness: dict[str, float] = {}
    for ranking in rankings:
        for match, value in zip(ranking, scaled, strict=False):
            nearness[match.id] = max(nearness.get(match.id, 0.0), value)
    return nearness


def _scaled(values: Mapping[str, float], least: float, behind: Collection[str]) -> dict[str, float]:
    """Scale so that the best is 1 and the worst 0, or higher if all are within `least`."""
    top, low = _top(values, behind), min(values.values(), default=0.0)
    width = max(top - low, least)
    return {id_: min(1.0, 1 - (top - value) / width) for id_, value in values.items()}


def _top(values: Mapping[str, float], behind: Collection[str]) -> float:
    """Return the best value of a record that is not behind, or of all if there is none."""
    ahead = [value for id_, value in values.items() if id_ not in behind]
    return max(ahead or values.values(), default=0.0)


def _strength(
    dense: Sequence[Sequence[DenseMatch]], tokens: Mapping[str, float], behind: Collection[str]
) -> float:
    """The best cosine of all kinds, from `LEAST_STRENGTH` to 1; 1 without vectors."""
    kinds = [*({match.id: match.score for match in found} for found in dense if found), tokens]
    best = [_top(kind, behind) for kind in kinds if kind]
    return min(1.0, max(LEAST_STRENGTH, *best)) if best else 1.0


def _with_lent(
    scores: Mapping[str, float], answers: Mapping[str, str], share: float
) -> dict[str, float]:
    """Add a share of a question's score to its answer's, and scale so that none is above 1."""
    total = dict(scores)
    for id_, after in answers.items():
        if id_ in scores:
            total[after] = total.get(after, 0.0) + share * scores[id_]
    top = max(1.0, max(total.values(), default=0.0))
    return {id_: score / top for id_, score in total.items()}


def _wordedness(lexical: Sequence[LexicalMatch], behind: Collection[str]) -> dict[str, float]:
    """Divide each BM25 score by the best."""
    found = {match.id: match.score for match in lexical}
    top = _top(found, behind)
    return {id_: min(1.0, score / top) for id_, score in found.items()} if top > 0 else {}


def _alike(vectors: Mapping[str, Encoded], one: str, other: str) -> float:
    """Return the greatest cosine of two records' chunks; 0 if they share no space."""
    if one not in vectors or other not in vectors:
        return 0.0
    left, right = vectors[one].vectors, vectors[other].vectors
    return float((left @ right.T).max()) if left.shape[1] == right.shape[1] else 0.0
