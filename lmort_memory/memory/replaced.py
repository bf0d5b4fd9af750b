"""Find what holds now by what it replaced.

A correction is short: after "My bank is Barclays" somebody says "Monzo now", which no question
about the bank resembles. The replaced record does, and is left out of every recall. So its cosine,
its BM25 and its comparison by tokens count for the record that holds now, where they are better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self, TypeVar

from lmort_memory.store.protocol import Store, Superseding
from lmort_memory.store.values import DenseMatch, Filter, LexicalMatch

if TYPE_CHECKING:
    from lmort_memory.types import Record

__all__ = ["FOUND", "Held", "replaced_by"]

M = TypeVar("M", DenseMatch, LexicalMatch)

FOUND: Final = 20  # replaced records from each ranking
_LATEST: Final = 1000  # replaced records that are searched


def replaced_by(store: Store, chosen: Filter) -> tuple[Filter, Mapping[str, str]] | None:
    """Return the filter of the replaced records of a search, and which record holds for each.

    None if there are none to search. What the caller excludes is searched: a prompt that shows the
    old record still needs the new one.
    """
    if not chosen.current or chosen.ids is not None or not isinstance(store, Superseding):
        return None
    every = replace(chosen, current=False, exclude=())
    newer = store.superseded(every, limit=_LATEST)
    return (replace(every, ids=tuple(newer)), newer) if newer else None


@dataclass(frozen=True, slots=True)
class Held:
    """Which records hold now, of those that a search found replaced.

    Attributes:
        records: By the id of the record that each replaced.
    """

    records: Mapping[str, Record]

    @classmethod
    def of(
        cls, store: Store, chosen: Filter, newer: Mapping[str, str], found: Iterable[str]
    ) -> Self:
        """Read what holds for the replaced records that were found, as far as it may be found."""
        held = {old: newer[old] for old in found}
        ids = tuple(dict.fromkeys(held.values()))
        there = {one.id: one for one in store.records(replace(chosen, ids=ids))} if ids else {}
        return cls({old: there[new] for old, new in held.items() if new in there})

    def dense(self, ranking: Sequence[DenseMatch], found: Sequence[DenseMatch]) -> list[DenseMatch]:
        """Add the matches of replaced records to a ranking, for those that hold now."""
        held = (
            DenseMatch(now.id, one.score, (0, len(now.text))) for one, now in self._pairs(found)
        )
        return _best([*ranking, *held])

    def lexical(
        self, ranking: Sequence[LexicalMatch], found: Sequence[LexicalMatch]
    ) -> list[LexicalMatch]:
        """Add the matches of replaced records to a ranking by words, likewise."""
        return _best(
            [*ranking, *(LexicalMatch(now.id, one.score) for one, now in self._pairs(found))]
        )

    def tokens(self, found: Mapping[str, float]) -> dict[str, float]:
        """Return the comparisons of replaced records, for those that hold now: the greatest."""
        best: dict[str, float] = {}
        for old, score in found.items():
            if old in self.records:
                now = self.records[old].id
                best[now] = max(score, best.get(now, score))
        return best

    def _pairs(self, found: Iterable[M]) -> list[tuple[M, Record]]:
        return [(one, self.records[one.id]) for one in found if one.id in self.records]


def _best(matches: Iterable[M]) -> list[M]:
    """Sort best first, and keep the best match of each record."""
    best: dict[str, M] = {}
    for one in sorted(matches, key=lambda match: -match.score):
        best.setdefault(one.id, one)
    return list(best.values())
