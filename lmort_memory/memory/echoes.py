"""Rank stored questions below their answers, since a question does not answer a question.

Someone who asks twice wants the fact, but the first question shares more words with the second than
any fact does. So a stored question keeps only a fraction of its score and lends nothing to the
assistant's reply after it (a person's answer may be the fact). It keeps its rank if it is asked
for: by role, or by "what did I ask you about …?".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.kinds import about_questions, only_asks
from lmort_memory.memory.ranking import Ranked, by_score

if TYPE_CHECKING:
    from lmort_memory.types import Record

__all__ = ["LOOKED_AT", "are_asked_for", "echoes", "put_behind"]

LOOKED_AT: Final = 40  # top hits to check in each ranking: an echo further down does no harm
_KEPT: Final = 0.2  # share of its score that an echo keeps


def are_asked_for(query: str, role: str | None) -> bool:
    """Return whether a query asks for the questions themselves."""
    return role is not None or about_questions(query)


def echoes(records: Iterable[Record]) -> frozenset[str]:
    """Return the ids of the users' turns that only ask."""
    return frozenset(one.id for one in records if one.role == "user" and only_asks(one.text))


def put_behind(ids: Collection[str], ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return a ranking in which these records keep only a fraction of their score."""
    best = max((one.score for one in ranked if one.id not in ids), default=1.0)
    return by_score(
        [
            replace(one, score=_KEPT * min(one.score, best)) if one.id in ids else one
            for one in ranked
        ]
    )
