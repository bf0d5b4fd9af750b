"""Signs of whether a recalled hit answers the query.

Every sign means the same in a store of five records and of five thousand: a cosine counts in
standard deviations above that of unrelated texts in the space, a shared word by its rarity in the
language, and both relative to the lower hits. No sign uses a fused score, so the fusion may change.
An answer has the words of its question too, and some of its nearness.
Signs of parts that were not searched or compared are 0.
`benchmarks.kit.fit_evidence` fits the weights of the signs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.echoes import restatements
from lmort_memory.memory.kinds import about_questions, is_question, looks_up, of_oneself, only_asks
from lmort_memory.memory.overlap import RAREST, stems, weight
from lmort_memory.memory.times import spoken, without

if TYPE_CHECKING:
    from lmort_memory.types import Hit, Scores

__all__ = [
    "DEPTH",
    "FALLBACK",
    "Background",
    "Evidence",
    "Signs",
    "Whole",
    "evidence",
    "is_chatter",
    "names_only_a_time",
]

MOST: Final = 14.0  # log-odds
DEPTH: Final = 15  # hits used for the evidence
_NEAREST: Final = 5  # the rest show how near an unrelated record is
_TALK: Final = stems(
    "tell told say said talk talked speak spoke mention mentioned discuss discussed happen happened"
    " news remember know changed going anything something everything write wrote up about"
)
_NEAREST_POSSIBLE: Final = 8.0  # standard deviations above the background
_CHATTER: Final = 2  # words
_LOOKED_UP: Final = 11.0  # weight of two rare words
_UNRANKED: Final = 100
_OWN: Final = ("user", "assistant", "system", "note")  # roles that are nobody else's name


@dataclass(frozen=True, slots=True)
class Background:
    """Mean and deviation of a question's cosines with texts that do not answer it."""

    mean: float
    spread: float

    def above(self, cosine: float) -> float:
        """Return how far a cosine is above the background, in standard deviations."""
        return (cosine - self.mean) / self.spread


FALLBACK: Final = Background(0.0655, 0.0767)
"""The packaged tuner's, in talk; for any tuner whose file does not record its own."""


class Signs:
    """Named numbers that a logistic function weighs; subclasses are slotted dataclasses."""

    __slots__: tuple[str, ...] = ()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the signs in order."""
        return cls.__slots__

    def values(self) -> tuple[float, ...]:
        """Return the signs in order."""
        return tuple(getattr(self, name) for name in self.__slots__)  # `astuple` copies deeply


@dataclass(frozen=True, slots=True)
class Evidence(Signs):
    """The signs of one hit.

    Attributes:
        near: Its cosine above the background, in standard deviations; 0 without vectors.
        noise: The mean of `near` over the hits beyond the five nearest; no echoes.
        overlap: Share of the question's words, by weight, that it contains.
        shared: Total weight of those words.
        rarest: Weight of the rarest of them.
        redundant: 1 if it says nothing beyond the question, 0 if it has a rare word of its own.
        behind: `near` minus that of the nearest hit that is not an echo; at most 0.
        lacking: `overlap` minus the best of those; at most 0.
        nearest: Reciprocal of its rank by meaning, not counting echoes.
        first: Reciprocal of its rank by words, likewise.
        alike: Its token-by-token comparison with the query, from -1 to 1.
        alike_noise: The mean of `alike` over the hits beyond the five best; no echoes.
        alike_behind: `alike` minus the best of a hit that is not an echo; at most 0.
        alike_first: Reciprocal of its rank by `alike`, not counting echoes.
        boost: Share of the best score that it got for who says it, when, and how much.
        asks: Whether the query asks, only names what to look up ("dentist"), or is two rare words,
            or an identifier, that one hit contains.
        personal: Whether the query is about the speaker ("my", "we").
        length: Number of distinct characteristic words in the query.
        chatter: Whether the query has hardly any such word ("hi there") and does not ask, in any of
            the ways that count for `asks`.
        reply: Whether the hit is a reply of the assistant.
        echo: Whether the hit only asks, and the query does not ask for questions; or is a reply
            that only says again what other hits say.
        foreign: Whether someone else says it although the query is about the speaker.
        few: Share of the `DEPTH` hits that are missing or echoes; if all hits are echoes, only the
            missing ones count.
        timely: 1 if it was said at the time that the query names, -1 if not, 0 if none is named.
    """

    near: float
    noise: float
    overlap: float
    shared: float
    rarest: float
    redundant: float
    behind: float
    lacking: float
    nearest: float
    first: float
    alike: float
    alike_noise: float
    alike_behind: float
    alike_first: float
    boost: float
    asks: float
    personal: float
    length: float
    chatter: float
    reply: float
    echo: float
    foreign: float
    few: float
    timely: float


@dataclass(frozen=True, slots=True)
class Whole(Signs):
    """The signs of whether any hit answers.

    Several hits that may answer make an answer likelier than the best of them says. And a question
    about the speaker is often answered in other words, while any chat comes near to a question
    about the world.

    Attributes:
        best: Log-odds of the likeliest hit, within `MOST`.
        second: Log-odds of the next; -`MOST` if there is none.
        total: Sum of all estimates, at most 2.
        personal: Whether the query is about the speaker.
        length: Number of distinct characteristic words in the query.
        near: `Evidence.near` of the likeliest hit.
        rarest: `Evidence.rarest` of it.
        alike: `Evidence.alike` of it.
    """

    best: float
    second: float
    total: float
    personal: float
    length: float
    near: float
    rarest: float
    alike: float

    @classmethod
    def of(cls, signs: Sequence[Evidence], chances: Sequence[float]) -> Whole:
        """Put the hits of one question together.

        Args:
            signs: Of each hit; at least one.
            chances: The estimate of each.
        """
        order = sorted(range(len(signs)), key=lambda i: -chances[i])
        best = signs[order[0]]
        return cls(
            best=log_odds(chances[order[0]]),
            second=log_odds(chances[order[1]]) if len(order) > 1 else -MOST,
            total=min(sum(chances), 2.0),
            personal=best.personal,
            length=best.length,
            near=best.near,
            rarest=best.rarest,
            alike=best.alike,
        )


def log_odds(chance: float) -> float:
    """Return the log-odds of a probability, from -`MOST` to `MOST`."""
    if not 0 < chance < 1:
        return MOST if chance > 0 else -MOST
    return max(-MOST, min(MOST, math.log(chance / (1 - chance))))


def evidence(
    query: str, hits: Sequence[Hit], background: Background, *, now: datetime
) -> list[Evidence]:
    """Compute the evidence for each hit, in the order of the hits.

    Args:
        query: What was asked.
        hits: What `recall` found for it with `explain`, best first.
        background: Background of the space of the cosines.
        now: The current time, aware, which "last week" refers to.
    """
    span = spoken(query, now)
    asked = stems(query)
    total = weight(asked) or 1.0
    found = [stems(hit.record.text) for hit in hits]
    both = [
        own if hit.asked is None else own | stems(hit.asked.record.text)
        for own, hit in zip(found, hits, strict=True)
    ]
    scores = [_of_both(hit) for hit in hits]
    near = [_near(one, background) for one in scores]
    alike = _alike(scores)
    overlaps = [weight(asked & said) / total for said in both]
    chatter, asks = is_chatter(query), is_question(query)
    looked_up = looks_up(query)
    if looked_up or (chatter and _is_looked_up(query, asked, most=max(overlaps, default=0.0))):
        chatter, asks = False, True
    personal, wanted = of_oneself(query), about_questions(query)
    repeating = restatements(query, [hit.record for hit in hits])
    echo = [
        repeats or (not wanted and only_asks(hit.record.text))
        for hit, repeats in zip(hits, repeating, strict=True)
    ]
    # An echo answers nothing, however near it is: no other hit is behind it, and a question that
    # was asked ten times is as likely to be answered as at first.
    others = [i for i, one in enumerate(echo) if not one] or range(len(hits))
    noise, alike_noise = _noise([near[i] for i in others]), _noise([alike[i] for i in others])
    nearest = max((near[i] for i in others), default=0.0)
    most_alike = max((alike[i] for i in others), default=0.0)
    most = max((overlaps[i] for i in others), default=0.0)
    dense = _without_echoes([one.dense_rank for one in scores], echo)
    words = _without_echoes([one.bm25_rank for one in scores], echo)
    tokens = _without_echoes(_ranks(alike), echo)
    signs = []
    for i, (hit, own, distance, overlap) in enumerate(
        zip(hits, found, near, overlaps, strict=True)
    ):
        shared = asked & both[i]
        role = hit.record.role
        timely = 0.0 if span is None else 1.0 if span.holds(hit.record.created_at) else -1.0
        signs.append(
            Evidence(
                near=distance,
                noise=noise,
                overlap=overlap,
                shared=weight(shared),
                rarest=max((weight((stem,)) for stem in shared), default=0.0),
                redundant=max(0.0, 1 - weight(own - asked) / RAREST),
                behind=min(0.0, distance - nearest),
                lacking=min(0.0, overlap - most),
                nearest=1 / dense[i],
                first=1 / words[i],
                alike=alike[i],
                alike_noise=alike_noise,
                alike_behind=min(0.0, alike[i] - most_alike),
                alike_first=1 / tokens[i],
                boost=hit.scores.boost or 0.0,
                asks=float(asks),
                personal=float(personal),
                length=float(len(asked)),
                chatter=float(chatter),
                reply=float(role == "assistant"),
                echo=float(echo[i]),
                foreign=float(personal and role not in _OWN),
                few=max(0.0, 1 - len(others) / DEPTH),
                timely=timely,
            )
        )
    return signs


def _of_both(hit: Hit) -> Scores:
    """Return a hit's scores, raised by those of its question.

    Two questions are near each other for being questions, so a nearer one counts by half.
    """
    own = hit.scores
    if hit.asked is None:
        return own
    question = hit.asked.scores
    return replace(
        own,
        dense=_raised(own.dense, question.dense),
        tokens=_raised(own.tokens, question.tokens),
        dense_rank=_first(own.dense_rank, question.dense_rank),
        bm25_rank=_first(own.bm25_rank, question.bm25_rank),
    )


def _raised(own: float | None, other: float | None) -> float | None:
    return own if own is None or other is None else max(own, (own + other) / 2)


def _first(*ranks: int | None) -> int | None:
    return min((rank for rank in ranks if rank is not None), default=None)


def _alike(scores: Sequence[Scores]) -> list[float]:
    """Return the comparisons by tokens; a hit without codes counts as the mean of the others."""
    found = [one.tokens for one in scores if one.tokens is not None]
    mean = sum(found) / len(found) if found else 0.0
    return [mean if one.tokens is None else one.tokens for one in scores]


def _noise(values: Sequence[float]) -> float:
    """Return the mean of the values beyond the greatest few."""
    rest = sorted(values, reverse=True)[_NEAREST:]
    return sum(rest) / len(rest) if rest else 0.0


def _ranks(values: Sequence[float]) -> list[int]:
    """Return the rank of each value, from 1 for the greatest."""
    order = sorted(values, reverse=True)
    return [order.index(value) + 1 for value in values]


def _without_echoes(ranks: Sequence[int | None], echo: Sequence[bool]) -> list[int]:
    """Return the ranks of hits in one list, not counting echoes before them."""
    echoes = [rank for rank, one in zip(ranks, echo, strict=True) if rank and one]
    return [rank - sum(before < rank for before in echoes) if rank else _UNRANKED for rank in ranks]


def names_only_a_time(query: str, now: datetime) -> bool:
    """Return whether a query asks for anything said at some time."""
    span = spoken(query, now)
    return span is not None and stems(without(query, span)) <= _TALK


def is_chatter(text: str) -> bool:
    """Return whether a text asks nothing and has hardly any characteristic word."""
    return not is_question(text) and len(stems(text)) <= _CHATTER


def _is_looked_up(query: str, asked: frozenset[str], *, most: float) -> bool:
    """Return whether so few words are what one hit contains whole: "wifi password", "OPS-1187".

    Nobody says this for conversation: "brb door" finds no record with both words.

    Args:
        query: The query, of few characteristic words.
        asked: Their stems.
        most: The greatest overlap of a hit.
    """
    told = weight(asked) >= _LOOKED_UP or any(character.isdigit() for character in query)
    return told and most >= 1.0


def _near(scores: Scores, background: Background) -> float:
    """No text is nearer than `_NEAREST_POSSIBLE`; if one seems to be, the background is wrong."""
    if scores.dense is None:
        return 0.0
    return min(_NEAREST_POSSIBLE, background.above(scores.dense))
