"""What recall found says about each hit: is this the answer to what was asked?

Every sign means the same in a store of five records and of five thousand: a cosine counts in
standard deviations above what unrelated texts of the space have, a shared word by how rare it is in
the language, and both against what the hits that came after have. None looks at a fused score, so
that the fusion may change. `benchmarks.kit.fit_evidence` weighs the signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.kinds import about_questions, is_question, of_oneself, only_asks
from lmort_memory.memory.overlap import RAREST, stems, weight
from lmort_memory.memory.times import spoken, without

if TYPE_CHECKING:
    from lmort_memory.types import Hit

__all__ = [
    "DEPTH",
    "FALLBACK",
    "Background",
    "Evidence",
    "evidence",
    "is_chatter",
    "names_only_a_time",
]

DEPTH: Final = 15  # hits that the evidence is drawn from
_NEAREST: Final = 5  # the others say how near a record is that has nothing to do with the question
_TALK: Final = stems(
    "tell told say said talk talked speak spoke mention mentioned discuss discussed happen happened"
    " news remember know changed going anything something everything write wrote up about"
)
_NEAREST_POSSIBLE: Final = 8.0  # deviations above the background
_CHATTER: Final = 2  # words
_OWN: Final = ("user", "assistant", "system", "note")  # roles that are nobody else's name


@dataclass(frozen=True, slots=True)
class Background:
    """Cosines of questions with texts that do not answer them: mean and standard deviation."""

    mean: float
    spread: float

    def above(self, cosine: float) -> float:
        """Return how far a cosine stands above the background, in standard deviations."""
        return (cosine - self.mean) / self.spread


# Of the tuner that ships, and near enough for any other whose file does not say.
FALLBACK: Final = Background(0.0655, 0.0767)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The signs of one hit.

    Attributes:
        near: Its cosine above the background, in standard deviations; 0 without vectors.
        noise: The same of the hits beyond the five nearest, their mean.
        overlap: Share of the question's words, by weight, that stand in it.
        shared: Their weight.
        rarest: Weight of the rarest of them.
        redundant: 1 where it says nothing that the question does not say, 0 where it has a rare
            word of its own.
        behind: How far `near` is below that of the nearest hit, not positive.
        lacking: How far `overlap` is below the best hit's, not positive.
        nearest: Reciprocal of its rank by meaning.
        first: Reciprocal of its rank by words.
        asks: Whether the query asks.
        personal: Whether the query is about the speaker ("my", "we").
        length: Distinct words of the query that tell it from others.
        chatter: Whether the query asks nothing and has hardly such a word ("hi there").
        reply: Whether the hit is a reply of the assistant.
        question: Whether the hit only asks, and questions are not what is asked for.
        foreign: Whether somebody else says it, where the query is about the speaker.
        few: Share of `DEPTH` hits that a small store did not have.
        timely: 1 where it was said at the time that the query names, -1 where not, 0 without one.
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
    asks: float
    personal: float
    length: float
    chatter: float
    reply: float
    question: float
    foreign: float
    few: float
    timely: float

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the signs in order."""
        return tuple(field.name for field in fields(cls))

    def values(self) -> tuple[float, ...]:
        """Return the signs in order."""
        return astuple(self)


def evidence(
    query: str, hits: Sequence[Hit], background: Background, *, now: datetime
) -> list[Evidence]:
    """Draw the evidence of each hit, in the order of the hits.

    Args:
        query: What was asked.
        hits: What was recalled for it with `explain`, best first.
        background: Of the space that the cosines are of.
        now: The present, aware: what "last week" refers to.
    """
    span = spoken(query, now)
    asked = stems(query)
    total = weight(asked) or 1.0
    found = [stems(hit.record.text) for hit in hits]
    near = [_near(hit, background) for hit in hits]
    overlaps = [weight(asked & own) / total for own in found]
    rest = sorted(near, reverse=True)[_NEAREST:]
    noise = sum(rest) / len(rest) if rest else 0.0
    chatter = is_chatter(query)
    asks, personal, wanted = is_question(query), of_oneself(query), about_questions(query)
    signs = []
    for hit, own, distance, overlap in zip(hits, found, near, overlaps, strict=True):
        shared = asked & own
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
                behind=distance - max(near),
                lacking=overlap - max(overlaps),
                nearest=1 / (hit.scores.dense_rank or 100),
                first=1 / (hit.scores.bm25_rank or 100),
                asks=float(asks),
                personal=float(personal),
                length=float(len(asked)),
                chatter=float(chatter),
                reply=float(role == "assistant"),
                question=float(not wanted and only_asks(hit.record.text)),
                foreign=float(personal and role not in _OWN),
                few=max(0.0, 1 - len(hits) / DEPTH),
                timely=timely,
            )
        )
    return signs


def names_only_a_time(query: str, now: datetime) -> bool:
    """Return whether a query asks for what was said at some time, whatever it was."""
    span = spoken(query, now)
    return span is not None and stems(without(query, span)) <= _TALK


def is_chatter(text: str) -> bool:
    """Return whether a text asks nothing and has hardly a word that tells it from others."""
    return not is_question(text) and len(stems(text)) <= _CHATTER


def _near(hit: Hit, background: Background) -> float:
    """Nearer than `_NEAREST_POSSIBLE` is no text: then the space is another than its background."""
    if hit.scores.dense is None:
        return 0.0
    return min(_NEAREST_POSSIBLE, background.above(hit.scores.dense))
