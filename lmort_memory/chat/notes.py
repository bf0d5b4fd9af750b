"""Recalled records as the notes block of a prompt: dated, attributed, cut at a token budget.

The newest note comes first, so that the present fact stands before what was so earlier; a note that
took the place of another says what was so earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lmort_memory.memory.kinds import only_asks
from lmort_memory.memory.overlap import stems, weight
from lmort_memory.memory.times import dated
from lmort_memory.types import Hit, Record, Scores

__all__ = ["Found", "Injected", "Notes", "pack_notes", "worth_a_note"]

_HEADING = "\n\nNotes from memory, newest first:"
_LONGEST_NOTE = 600  # characters; the rest of a long record is one recall away
_LONGEST_EARLIER = 200  # of what was so before
_MOST_EARLIER = 2  # of a chain of corrections
_SAME_THING = 10.0  # weight of shared words: two rare ones
_NEAR_BEST = 0.1  # of the best likelihood: a small model is led astray by a note too many


@dataclass(frozen=True, slots=True)
class Injected:
    """A memory that entered a prompt.

    Attributes:
        record: What it says.
        score: How likely it answers what was asked, from 0 to 1.
        scores: The parts of its rank in recall.
        tokens: What its line cost.
    """

    record: Record
    score: float
    scores: Scores
    tokens: int


@dataclass(frozen=True, slots=True)
class Found:
    """A hit that is worth a note.

    Attributes:
        hit: What recall found.
        likelihood: How likely it answers what was asked.
        earlier: The records whose place it took, the latest first.
    """

    hit: Hit
    likelihood: float
    earlier: tuple[Record, ...] = ()

    @property
    def record(self) -> Record:
        """The record of the hit."""
        return self.hit.record

    @property
    def since(self) -> datetime:
        """Since when it holds, as far as is known."""
        return self.record.valid_from or self.record.created_at


@dataclass(frozen=True, slots=True)
class Notes:
    """A packed notes block.

    Attributes:
        text: What follows the user's words in the prompt; empty without memories.
        memories: What it says, in the order of the text.
        dropped: What was recalled and did not fit the budget, best first.
    """

    text: str
    memories: tuple[Injected, ...]
    dropped: tuple[Record, ...]


def worth_a_note(hits: Sequence[Hit], likelihoods: Sequence[float], *, at_most: int) -> list[Found]:
    """Return the hits that are nearly as likely to answer as the likeliest, the likeliest first.

    Args:
        hits: What recall found.
        likelihoods: Of each, see `Memory.likelihoods`.
        at_most: How many.
    """
    found = [Found(hit, chance) for hit, chance in zip(hits, likelihoods, strict=True)]
    found.sort(key=lambda one: -one.likelihood)
    return [one for one in found if one.likelihood >= _NEAR_BEST * found[0].likelihood][:at_most]


def pack_notes(
    found: Sequence[Found], *, budget: int, count_tokens: Callable[[str], int], now: datetime
) -> Notes:
    """Pack the likeliest that fit, then put the newest first.

    Args:
        found: The likeliest first.
        budget: Most tokens of the block.
        count_tokens: The model's own count for a text.
        now: The present, aware: notes say how long ago they were said.
    """
    left = budget - count_tokens(_HEADING)
    taken: list[tuple[Found, Injected, str]] = []
    dropped: list[Record] = []
    for one in found:
        line = _line(one, now, of="older")
        tokens = count_tokens(line)
        if tokens > left:
            dropped.append(one.record)
            continue
        left -= tokens
        injected = Injected(one.record, one.likelihood, one.hit.scores, tokens)
        taken.append((one, injected, line))
    ordered = _ordered([one for one, _, _ in taken])
    memories = {one.record.id: memory for one, memory, _ in taken}
    lines = [_line(one, now, of=place) for one, place in ordered]
    return Notes(
        _HEADING + "".join(lines) if lines else "",
        tuple(memories[one.record.id] for one, _ in ordered),
        tuple(dropped),
    )


def _ordered(taken: Sequence[Found]) -> list[tuple[Found, str]]:
    """Put the newest first, and after each what the same speaker said of the same thing before.

    Returns:
        Each with its place: "newer" of several about one thing, "older", or "only".
    """
    rest = sorted(taken, key=lambda one: one.since, reverse=True)
    ordered: list[tuple[Found, str]] = []
    while rest:
        newest = rest.pop(0)
        older = [one for one in rest if _same_thing(newest.record, one.record)]
        rest = [one for one in rest if one not in older]
        ordered.append((newest, "newer" if older or newest.earlier else "only"))
        ordered += [(one, "older") for one in older]
    return ordered


def _same_thing(one: Record, other: Record) -> bool:
    """Return whether two notes of one speaker share words that are no coincidence.

    It decides on their order and on "since" and "before", and on nothing that would hide either.
    """
    if one.role != other.role or one.created_at.date() == other.created_at.date():
        return False
    if only_asks(one.text) or only_asks(other.text):
        return False
    return weight(stems(one.text) & stems(other.text)) >= _SAME_THING


def _line(found: Found, now: datetime, *, of: str) -> str:
    """Write one note on one line: the words first, which a small model repeats, then who and when.

    `docs/experiments.md`, experiment 21, has the wordings that were tried.
    """
    start, end = found.hit.span or (0, len(found.record.text))
    said = _cut(found.record.text[start:end], _LONGEST_NOTE)
    opening = {"newer": "now: ", "older": "earlier: "}.get(of, "")
    line = f"\n- {opening}{said} ({_origin(found.record)}, {dated(found.since, now)})"
    for before in found.earlier[:_MOST_EARLIER]:
        when = dated(before.valid_from or before.created_at, now)
        line += f" Earlier: {_cut(before.text, _LONGEST_EARLIER)} ({when})"
    return line


def _cut(text: str, longest: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"


def _origin(record: Record) -> str:
    """Say who speaks, in the voice of the user in whose message the note stands."""
    if record.source is not None:
        return f"in {record.source.uri}"
    return {"user": "I", "assistant": "you"}.get(record.role, record.role)
