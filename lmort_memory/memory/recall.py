"""The steps of a recall: rank, fuse, weigh by age, demote duplicates, build the hits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from lmort_memory.errors import RecordNotFoundError
from lmort_memory.memory import events
from lmort_memory.memory.echoes import (
    LOOKED_AT,
    are_asked_for,
    echoes,
    put_after_facts,
    put_behind,
)
from lmort_memory.memory.exchanges import exchanges, may_be_answered
from lmort_memory.memory.overlap import overlap
from lmort_memory.memory.passages import passage
from lmort_memory.memory.ranking import NOBODY, Ranked, boosted, fuse, spread, with_recency
from lmort_memory.memory.replaced import FOUND, Held, replaced_by
from lmort_memory.memory.speakers import CONSIDERED, Said, boosts
from lmort_memory.memory.times import Span, spoken
from lmort_memory.memory.weights import USUAL_COVERAGE, talk_of
from lmort_memory.store.protocol import Store, TokenCodesReader
from lmort_memory.store.values import DenseMatch, Filter, LexicalMatch
from lmort_memory.types import AskedTurn, Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.types import AskedTokens, Encoded, Record, TokenCodes, TokenEncoder

__all__ = ["Question", "Recall", "Tokens"]


class _Match(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def score(self) -> float: ...


M = TypeVar("M", bound=_Match)

DEPTH = 100  # records from each ranking to fuse
OF_A_TIME = 30  # records from each ranking at the time named in the query
_TURNS = ("user", "assistant")  # roles in a chat
TIMELY = 0.3  # share of the best score added for a record of that time


@dataclass(frozen=True, slots=True)
class Tokens:
    """A question's tokens, and the encoder that compares them with those of records."""

    encoder: TokenEncoder
    asked: AskedTokens

    def scores(self, found: Mapping[str, TokenCodes]) -> dict[str, float]:
        """Compare with the records that have codes of the encoder's kind; omits the others."""
        kind = self.encoder.token_kind
        codes = {id_: one for id_, one in found.items() if one.kind == kind}
        scores = self.encoder.token_scores(self.asked, list(codes.values()))
        return dict(zip(codes, scores.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Question:
    """A question's vectors and tokens.

    Attributes:
        vectors: The question's vector in each space to search, the current space first.
        tokens: Its tokens, for records of the current space; None if tokens are not compared.
    """

    vectors: Mapping[str, NDArray[np.float32]]
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True)
class Recall:
    """A query to a store.

    Attributes:
        asked: Its text.
        query: The same text; None if only vectors count.
        question: Its vectors; without any, only words count.
        chosen: Which records to search.
        top_k: Maximum number of hits.
    """

    store: Store
    asked: str
    query: str | None
    question: Question
    chosen: Filter
    top_k: int
    _read: dict[str, Record] = field(default_factory=dict, init=False, repr=False, compare=False)
    _asked: dict[str, Ranked] = field(default_factory=dict, init=False, repr=False, compare=False)

    def ranked(self, *, half_life: timedelta | None, diversity: float) -> list[Ranked]:
        """Return records best first, more than `top_k` of them."""
        depth = max(DEPTH, 2 * self.top_k)
        dense, lexical = self._dense(self.chosen, depth), self._lexical(self.chosen, depth)
        dense, lexical, compared = self._with_replaced(dense, lexical)
        span = self._time()
        if span is not None:
            dense, lexical = self._with_those_of(span, dense, lexical)
        best = self._best(dense, lexical or ())
        behind = self._echoes(best)
        ranked = self._fused(dense, lexical, best, behind, compared)
        shares = Counter(self._by_speaker(ranked, behind) if dense and lexical is not None else {})
        if span is not None:
            shares.update(self._by_time(ranked, span))
        ranked = boosted(ranked, shares)
        if dense and lexical is not None:
            first = self._records(one.id for one in ranked[:LOOKED_AT])
            ranked = put_after_facts(self.asked, list(first.values()), ranked)
        if half_life is not None:
            ranked = self._aged(ranked, half_life)
        if diversity > 0:
            some = ranked[: max(4 * self.top_k, 20)]
            ranked = spread(some, self._vectors(some), diversity=diversity)
        return ranked

    def questions(self, ranked: Sequence[Ranked]) -> dict[str, Ranked]:
        """Return the question that stands before each of these, by the id of what follows it."""
        return {one.id: self._asked[one.id] for one in ranked if one.id in self._asked}

    def explained(self, ranked: Sequence[Ranked]) -> list[Ranked]:
        """Fill in scores missing because a record ranked too low."""
        far = tuple(one.id for one in ranked if one.scores.dense is None)
        unworded = tuple(one.id for one in ranked if one.scores.bm25 is None)
        unlike = [one.id for one in ranked if one.scores.tokens is None]
        # The current space comes first, and last here: its cosine counts for a record in several.
        dense = {m.id: m for found in reversed(self._dense_of(far)) for m in found}
        lexical = {match.id: match for match in self._lexical_of(unworded)}
        tokens = self._tokens(unlike) if unlike else {}
        return [
            _filled(one, dense.get(one.id), lexical.get(one.id), tokens.get(one.id))
            for one in ranked
        ]

    def _dense_of(self, ids: tuple[str, ...]) -> list[list[DenseMatch]]:
        return self._dense(replace(self.chosen, ids=ids), len(ids)) if ids else []

    def _lexical_of(self, ids: tuple[str, ...]) -> list[LexicalMatch]:
        return (self._lexical(replace(self.chosen, ids=ids), len(ids)) or []) if ids else []

    def _fused(
        self,
        dense: Sequence[Sequence[DenseMatch]],
        lexical: Sequence[LexicalMatch] | None,
        best: Collection[Record],
        behind: frozenset[str],
        compared: Mapping[str, float],
    ) -> list[Ranked]:
        # A single ranking keeps its own scores.
        answers = self._answers(best, behind) if dense and lexical is not None else NOBODY
        codes = self._codes([*candidates(dense, lexical or ()), *answers.values()])
        coverage = USUAL_COVERAGE
        if lexical is not None:
            coverage = self._coverage([match for match in lexical if match.id not in behind])
        ranked = fuse(
            [_last(behind, found) for found in dense],
            None if lexical is None else _last(behind, lexical),
            answers,
            _greater(self._compared(codes), compared),
            self._compared(exchanges(answers, codes)),
            coverage=coverage,
            talk=0.0 if lexical is None else self._talk(best),
            behind=behind,
        )
        there = {one.id: one for one in ranked}
        self._asked.update((later, there[asked]) for asked, later in answers.items())
        return put_behind(behind, ranked) if behind else ranked

    def _with_replaced(
        self, dense: list[list[DenseMatch]], lexical: list[LexicalMatch] | None
    ) -> tuple[list[list[DenseMatch]], list[LexicalMatch] | None, Mapping[str, float]]:
        """Let what records replaced count for them; also return its comparisons by tokens."""
        replaced = None if lexical is None else replaced_by(self.store, self.chosen)
        if lexical is None or replaced is None:
            return dense, lexical, {}
        chosen, newer = replaced
        near, worded = self._dense(chosen, FOUND), self._lexical(chosen, FOUND) or []
        found = candidates(near, worded)
        held = Held.of(self.store, self.chosen, newer, found)
        return (
            [held.dense(*both) for both in zip(dense, near, strict=True)],
            held.lexical(lexical, worded),
            held.tokens(self._tokens(found)),
        )

    def _echoes(self, best: Collection[Record]) -> frozenset[str]:
        """Find stored questions among the best, unless the query asks for them."""
        return frozenset() if are_asked_for(self.asked, self.chosen.role) else echoes(best)

    def _talk(self, best: Collection[Record]) -> float:
        """Return how far this is about talk, by the question and the best records."""
        turns = sum(one.session is not None and one.role in _TURNS for one in best)
        return talk_of(self.asked, turns=turns / len(best) if best else 0.0)

    def _best(
        self, dense: Sequence[Sequence[DenseMatch]], lexical: Sequence[LexicalMatch]
    ) -> Collection[Record]:
        """Return the best records of each ranking."""
        best = [match.id for found in dense for match in found[:LOOKED_AT]]
        best += [match.id for match in lexical[:LOOKED_AT]]
        return self._records(best).values()

    def _time(self) -> Span | None:
        """Find the time that the question names: a date, or an event that some record tells of."""
        now = datetime.now(UTC).astimezone()
        span, event = spoken(self.asked, now), events.event_in(self.asked)
        if span is not None or event is None or self.query is None:
            return span
        found = self.store.lexical(event.words, self.chosen, limit=events.LOOKED_AT)
        told = event.told_in(self._records(match.id for match in found).values())
        return None if told is None else event.span(told.created_at, now)

    def _with_those_of(
        self, span: Span, dense: list[list[DenseMatch]], lexical: list[LexicalMatch] | None
    ) -> tuple[list[list[DenseMatch]], list[LexicalMatch] | None]:
        """Add the best records of a time to each ranking; scores stay unchanged."""
        start, end = self.chosen.since or span.start, self.chosen.until or span.end
        chosen = replace(self.chosen, since=max(span.start, start), until=min(span.end, end))
        near = self._dense(chosen, OF_A_TIME)
        worded = self._lexical(chosen, OF_A_TIME)
        return (
            [_merged(*both) for both in zip(dense, near, strict=True)],
            None if lexical is None else _merged(lexical, worded or []),
        )

    def _by_time(self, ranked: Sequence[Ranked], span: Span) -> dict[str, float]:
        """Return the boosts of the records of a time."""
        found = self._records(one.id for one in ranked)
        return {id_: TIMELY for id_, one in found.items() if span.holds(one.created_at)}

    def _by_speaker(self, ranked: Sequence[Ranked], behind: frozenset[str]) -> dict[str, float]:
        """Return the boosts of the best records by who says them, other than echoes."""
        best = [one.id for one in ranked[:CONSIDERED] if one.id not in behind]
        said = {id_: Said.by(record) for id_, record in self._records(best).items()}
        asking = are_asked_for(self.asked, self.chosen.role)
        return boosts(self.asked, said, lower_asking=not asking)

    def hits(
        self, ranked: Sequence[Ranked], questions: Mapping[str, Ranked], *, neighbours: int
    ) -> list[Hit]:
        """Return the records as hits, without those forgotten meanwhile.

        The assistant answers no question: its replies are made from what others told it.

        Args:
            ranked: The records, best first.
            questions: See `questions`.
            neighbours: Number of turns before and after each to return with it.
        """
        found = self.store.get(one.id for one in (*ranked, *questions.values()))
        return [
            Hit(
                record=found[one.id],
                score=one.score,
                rank=rank,
                scores=one.scores,
                span=one.span or passage(found[one.id].text, self.asked),
                neighbours=self._around(one.id, neighbours),
                asked=_asked(found[one.id], questions.get(one.id), found),
            )
            for rank, one in enumerate((one for one in ranked if one.id in found), 1)
        ]

    def _around(self, record_id: str, n: int) -> tuple[Record, ...]:
        """Return the turns around a hit; none if it was forgotten meanwhile."""
        try:
            return self.store.around(record_id, n).all if n else ()
        except RecordNotFoundError:
            return ()

    def _records(self, ids: Iterable[str]) -> dict[str, Record]:
        """Read records; each once, since several steps look at the same ones."""
        wanted = list(dict.fromkeys(ids))
        self._read.update(self.store.get(id_ for id_ in wanted if id_ not in self._read))
        return {id_: self._read[id_] for id_ in wanted if id_ in self._read}

    def _dense(self, chosen: Filter, depth: int) -> list[list[DenseMatch]]:
        return [
            self.store.dense(space, vector, chosen, limit=depth)
            for space, vector in self.question.vectors.items()
        ]

    def _tokens(self, ids: Iterable[str]) -> Mapping[str, float]:
        """Compare the question with these records token by token; omits records without codes.

        Only codes of the current space are comparable.
        """
        return self._compared(self._codes(ids))

    def _codes(self, ids: Iterable[str]) -> Mapping[str, TokenCodes]:
        if self.question.tokens is None:
            return {}
        present = next(iter(self.question.vectors))
        return _token_codes(self.store, present, dict.fromkeys(ids))

    def _compared(self, codes: Mapping[str, TokenCodes]) -> Mapping[str, float]:
        return {} if self.question.tokens is None else self.question.tokens.scores(codes)

    def _lexical(self, chosen: Filter, depth: int) -> list[LexicalMatch] | None:
        return None if self.query is None else self.store.lexical(self.query, chosen, limit=depth)

    def _coverage(self, lexical: Sequence[LexicalMatch]) -> float:
        """Return the share of the question's letters found in the best record by words."""
        best = self._records(match.id for match in lexical[:1]).values()
        return max((overlap(self.query or "", record.text) for record in best), default=0.0)

    def _answers(self, best: Collection[Record], behind: frozenset[str]) -> Mapping[str, str]:
        """Find the turns after the best that ask.

        What the assistant answered to a stored question that stands behind is no answer to it.
        """
        asking = [one.id for one in best if may_be_answered(one)]
        if not asking:
            return NOBODY
        after = self.store.followers(asking, self.chosen)
        replies = self._records(later for asked, later in after.items() if asked in behind)
        return {
            asked: later
            for asked, later in after.items()
            if asked not in behind or (later in replies and replies[later].role != "assistant")
        }

    def _aged(self, ranked: Sequence[Ranked], half_life: timedelta) -> list[Ranked]:
        found = self._records(one.id for one in ranked)
        created = {id_: record.created_at for id_, record in found.items()}
        kept = [one for one in ranked if one.id in created]
        return with_recency(kept, created, now=datetime.now(UTC), half_life=half_life)

    def _vectors(self, ranked: Sequence[Ranked]) -> Mapping[str, Encoded]:
        vectors: dict[str, Encoded] = {}
        for space in self.question.vectors:
            missing = [one.id for one in ranked if one.id not in vectors]
            vectors |= self.store.vectors(space, missing)
        return vectors


def _asked(
    answer: Record, question: Ranked | None, found: Mapping[str, Record]
) -> AskedTurn | None:
    if question is None or question.id not in found or answer.role == "assistant":
        return None
    return AskedTurn(found[question.id], question.scores)


def candidates(dense: Sequence[Sequence[DenseMatch]], lexical: Sequence[LexicalMatch]) -> list[str]:
    """Return the ids in any ranking, each once."""
    return list(
        dict.fromkeys([*(m.id for found in dense for m in found), *(m.id for m in lexical)])
    )


def _token_codes(store: Store, space: str, ids: Iterable[str]) -> Mapping[str, TokenCodes]:
    """Return the token codes of records by id; omits records without."""
    if isinstance(store, TokenCodesReader):
        return store.token_codes(space, ids)
    found = store.vectors(space, ids)
    return {id_: one.tokens for id_, one in found.items() if one.tokens is not None}


def _greater(scores: Mapping[str, float], others: Mapping[str, float]) -> Mapping[str, float]:
    """Return the greater of two scores, of records that are in either."""
    return {id_: max(others.get(id_, -1.0), scores.get(id_, -1.0)) for id_ in {**scores, **others}}


def _last(behind: Collection[str], ranking: Sequence[M]) -> list[M]:
    """Return a ranking with these records at its end, so that they count in no other's rank."""
    return sorted(ranking, key=lambda match: match.id in behind)


def _merged(ranking: Sequence[M], more: Sequence[M]) -> list[M]:
    there = {match.id for match in ranking}
    found = [*ranking, *(match for match in more if match.id not in there)]
    return sorted(found, key=lambda match: -match.score)


def _filled(
    one: Ranked, dense: DenseMatch | None, lexical: LexicalMatch | None, tokens: float | None
) -> Ranked:
    scores = one.scores
    if scores.tokens is None and tokens is not None:
        scores = replace(scores, tokens=tokens)
    if scores.dense is None and dense is not None:
        scores = replace(scores, dense=dense.score)
    if scores.bm25 is None and lexical is not None:
        scores = replace(scores, bm25=lexical.score)
    return replace(one, scores=scores, span=one.span or (dense.span if dense else None))
