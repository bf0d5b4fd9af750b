"""Stored questions, which answer no question: they come after what does.

Somebody who asks twice means the fact, and the first asking shares more words with the second than
any fact. Such a record keeps a fraction of its score and lends nothing to the reply that followed
it. It stays where it was when it is asked for: by role, or by "what did I ask you about …?".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.kinds import about_questions, only_asks, words
from lmort_memory.memory.ranking import Ranked, by_score, fuse

if TYPE_CHECKING:
    from lmort_memory.store.values import DenseMatch, LexicalMatch
    from lmort_memory.types import Record

__all__ = ["LOOKED_AT", "Rankings", "are_asked_for", "echoes", "fuse_without"]

LOOKED_AT: Final = 40  # of each ranking: an echo further down is in nobody's way
_KEPT: Final = 0.2  # of an echo's score


def are_asked_for(query: str, role: str | None) -> bool:
    """Return whether a query wants the questions themselves."""
    return role is not None or about_questions(query)


def echoes(query: str, records: Iterable[Record]) -> frozenset[str]:
    """Return the ids of the users' turns that only ask, or say the query word for word."""
    asked = words(query)
    return frozenset(
        record.id
        for record in records
        if record.role == "user" and (only_asks(record.text) or words(record.text) == asked)
    )


@dataclass(frozen=True, slots=True)
class Rankings:
    """What `ranking.fuse` merges."""

    dense: Sequence[Sequence[DenseMatch]]
    lexical: Sequence[LexicalMatch] | None
    followers: Mapping[str, str]
    tokens: Mapping[str, float]
    coverage: float

    def fused(self) -> list[Ranked]:
        """Merge them."""
        return fuse(self.dense, self.lexical, self.followers, self.tokens, coverage=self.coverage)

    def without(self, ids: Collection[str]) -> Rankings:
        """Return them as they were if these records were not there."""
        return replace(
            self,
            dense=[[one for one in ranking if one.id not in ids] for ranking in self.dense],
            lexical=self.lexical and [one for one in self.lexical if one.id not in ids],
            followers={
                before: after
                for before, after in self.followers.items()
                if before not in ids and after not in ids
            },
            tokens={id_: score for id_, score in self.tokens.items() if id_ not in ids},
        )


def fuse_without(ids: Collection[str], rankings: Rankings) -> list[Ranked]:
    """Fuse rankings as if these records were not there, and put them behind."""
    if not ids:
        return rankings.fused()
    others = rankings.without(ids).fused()
    most = _KEPT * max((one.score for one in others), default=1.0)
    behind = [
        replace(one, score=min(_KEPT * one.score, most))
        for one in rankings.fused()
        if one.id in ids
    ]
    return by_score([*others, *behind])
