"""Rank stored questions below their answers, and what only repeats a fact below the fact.

Someone who asks twice wants the fact, but the first question shares more words with the second than
any fact does. So a stored question keeps only a fraction of its score, counts in no other record's
rank or scale, and lends nothing to the assistant's reply after it (a person's answer may be the
fact). It keeps its place if it is asked for: by role, or by "what did I ask you about …?".

The reply to it was made from the fact, and says it once more, or was made without it and knows
nothing of the person who asks: it comes after the best record of somebody else.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.kinds import about_questions, of_oneself, of_the_assistant, only_asks
from lmort_memory.memory.languages.unknown import knows_nothing
from lmort_memory.memory.overlap import RAREST, stems, weight
from lmort_memory.memory.ranking import Ranked, by_score

if TYPE_CHECKING:
    from lmort_memory.types import Record

__all__ = [
    "LOOKED_AT",
    "are_asked_for",
    "echoes",
    "put_after_facts",
    "put_behind",
    "restatements",
]

LOOKED_AT: Final = 40  # top hits to check in each ranking: an echo further down does no harm
_KEPT: Final = 0.2  # share of its score that an echo keeps
_SAME: Final = 0.75  # least share of their words, by weight, that two wordings have in common
_SOON: Final = timedelta(minutes=10)  # after its question, a reply is there


def are_asked_for(query: str, role: str | None) -> bool:
    """Return whether a query asks for the questions themselves."""
    return role is not None or about_questions(query)


def echoes(records: Iterable[Record]) -> frozenset[str]:
    """Return the ids of the users' turns that only ask."""
    return frozenset(one.id for one in records if one.role == "user" and only_asks(one.text))


def restatements(query: str, records: Sequence[Record]) -> list[bool]:
    """Return which records are the assistant's and only say again what others say.

    Such a reply has no rare word that is neither in the question nor in another's record, and
    shares a word with such a record that the question lacks. An earlier reply to the same question
    knows nothing about the asker that it was not told, nor does one that says so ("I don't have
    anything about that."). No record counts if the query asks what the assistant said.
    """
    if of_the_assistant(query) or all(one.role != "assistant" for one in records):
        return [False] * len(records)
    asked = stems(query)
    before = _replies_to(asked, records) if of_oneself(query) else frozenset[str]()
    facts = (stems(one.text) for one in records if _is_fact(one))
    told = frozenset[str]().union(*facts) - asked

    def repeats(own: frozenset[str]) -> bool:
        return bool(own & told) and all(weight((stem,)) < RAREST for stem in own - told)

    return [
        one.role == "assistant"
        and (one.id in before or knows_nothing(one.text) or repeats(stems(one.text) - asked))
        for one in records
    ]


def _replies_to(asked: frozenset[str], records: Sequence[Record]) -> frozenset[str]:
    """Return the ids of the replies to stored questions of the same words."""
    replies = (_next(one, records) for one in records if _is_same(asked, one))
    return frozenset(one.id for one in replies if one is not None and one.role == "assistant")


def _is_same(asked: frozenset[str], record: Record) -> bool:
    """Whether a record is a question of these words."""
    if record.session is None or record.role != "user" or not only_asks(record.text):
        return False
    own = stems(record.text)
    return 0 < weight(asked | own) * _SAME <= weight(asked & own)


def _next(question: Record, records: Sequence[Record]) -> Record | None:
    """Return the first of these records that was said soon after a question in its session."""
    place = question.scope, question.session
    after = (
        one
        for one in records
        if (one.scope, one.session) == place
        and timedelta(0) <= one.created_at - question.created_at <= _SOON
        and one is not question
    )
    return min(after, key=lambda one: (one.created_at, one.id), default=None)


def put_after_facts(query: str, best: Sequence[Record], ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return a ranking in which no restatement is above the best record of somebody else.

    Args:
        query: What is asked.
        best: The best records, to look at.
        ranked: The ranking, best first.
    """
    marks = zip(best, restatements(query, best), strict=True)
    repeating = {one.id for one, repeats in marks if repeats}
    if not repeating:
        return list(ranked)
    facts = {one.id for one in best if _is_fact(one)}
    fact = next((one for one in ranked if one.id in facts), None)
    if fact is None:
        return list(ranked)
    below = math.nextafter(fact.score, -math.inf)
    return by_score(
        [
            replace(one, score=min(one.score, below)) if one.id in repeating else one
            for one in ranked
        ]
    )


def _is_fact(record: Record) -> bool:
    """Whether somebody other than the assistant says something."""
    return record.role != "assistant" and not only_asks(record.text)


def put_behind(ids: Collection[str], ranked: Sequence[Ranked]) -> list[Ranked]:
    """Return a ranking in which these records keep only a fraction of their score."""
    best = max((one.score for one in ranked if one.id not in ids), default=1.0)
    return by_score(
        [
            replace(one, score=_KEPT * min(one.score, best)) if one.id in ids else one
            for one in ranked
        ]
    )
