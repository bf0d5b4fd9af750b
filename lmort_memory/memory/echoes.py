"""Stored questions, which answer no question: they come after what does.

Somebody who asks twice means the fact, and the first asking shares more words with the second than
any fact. Such a record keeps a fraction of its score and lends nothing to the assistant's reply
that followed it; a person's answer may be the fact. It stays where it was when it is asked for: by
role, or by "what did I ask you about …?".
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

LOOKED_AT: Final = 40  # of each ranking: an echo further down is in nobody's way
_KEPT: Final = 0.2  # of an echo's score


def are_asked_for(query: str, role: str | None) -> bool:
    """Return whether a query wants the questions themselves."""
    return role is not None or about_questions(query)


def echoes(records: Iterable[Record]) -> frozenset[str]:
    """Return the ids of the users' turns that only ask."""
    return frozenset(one.id for one in records if one.role == "user" and only_asks(one.text))


def put_behind(ids: Collection[str], ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return a ranking in which these records keep a fraction of their score."""
    best = max((one.score for one in ranked if one.id not in ids), default=1.0)
    return by_score(
        [
            replace(one, score=_KEPT * min(one.score, best)) if one.id in ids else one
            for one in ranked
        ]
    )
