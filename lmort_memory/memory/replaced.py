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

__all__ = ["FOUND", "Replaced"]

M = TypeVar("M", DenseMatch, LexicalMatch)

FOUND: Final = 20  # replaced records from each ranking
_LATEST: Final = 1000  # replaced records that are searched


@dataclass(frozen=True, slots=True)
class Replaced:
    """The replaced records of a store, and the records that hold now.

    Attributes:
        newer: Id of a replaced record -> that of the record that holds now.
        holding: Those records, by id.
    """

    newer: Mapping[str, str]
    holding: Mapping[str, Record]

    @classmethod
    def of(cls, store: Store, chosen: Filter) -> Self | None:
        """Read the replaced records that a filter chooses; None if there are none to search."""
        if not chosen.current or chosen.ids is not None or not isinstance(store, Superseding):
            return None
        # A prompt that shows the old record already still needs the new one.
        newer = store.superseded(replace(chosen, current=False, exclude=()), limit=_LATEST)
        ids = tuple(dict.fromkeys(newer.values()))
        holding = {one.id: one for one in store.records(replace(chosen, ids=ids))} if ids else {}
        newer = {old: new for old, new in newer.items() if new in holding}
        return cls(newer, holding) if newer else None

    def filter(self, chosen: Filter) -> Filter:
        """Return the filter of the replaced records."""
        return replace(chosen, current=False, exclude=(), ids=tuple(self.newer))

    def dense(self, ranking: Sequence[DenseMatch], found: Sequence[DenseMatch]) -> list[DenseMatch]:
        """Add the matches of replaced records to a ranking, for those that hold now."""
        spans = {id_: (0, len(one.text)) for id_, one in self.holding.items()}
        held = [DenseMatch(new, one.score, spans[new]) for one, new in self._held(found)]
        return _best([*ranking, *held])

    def lexical(
        self, ranking: Sequence[LexicalMatch], found: Sequence[LexicalMatch]
    ) -> list[LexicalMatch]:
        """Add the matches of replaced records to a ranking by words, likewise."""
        return _best([*ranking, *(LexicalMatch(new, one.score) for one, new in self._held(found))])

    def tokens(self, found: Mapping[str, float]) -> dict[str, float]:
        """Return the comparisons of replaced records, for those that hold now: the greatest."""
        best: dict[str, float] = {}
        for old, score in found.items():
            new = self.newer[old]
            best[new] = max(score, best.get(new, score))
        return best

    def _held(self, found: Iterable[M]) -> list[tuple[M, str]]:
        return [(one, self.newer[one.id]) for one in found]


def _best(matches: Iterable[M]) -> list[M]:
    """Sort best first, and keep the best match of each record."""
    best: dict[str, M] = {}
    for one in sorted(matches, key=lambda match: -match.score):
        best.setdefault(one.id, one)
    return list(best.values())
