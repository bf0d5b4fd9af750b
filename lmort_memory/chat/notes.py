"""Recalled records as the notes block of a prompt: dated, attributed, within a token budget.

The newest note comes first, so the current fact precedes outdated ones. A note that replaced
another also says what was true before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.kinds import is_question, sentences
from lmort_memory.memory.times import dated
from lmort_memory.types import Hit, Record, Scores

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

__all__ = [
    "Found",
    "Injected",
    "Notes",
    "pack_notes",
    "renewed",
    "with_later",
    "worth_a_note",
]

_RENEWED: Final = 2  # the likeliest hits, whose speakers may have said more about them later

_HEADING = "\n\nNotes from memory, newest first:"
_LONGEST_NOTE = 600  # characters; the rest of a long record can be recalled
_LONGEST_EARLIER = 200  # characters of a replaced record
_MOST_EARLIER = 2  # records of a chain of corrections
_OF_LATER = 0.5  # likelihood of what was said later, as a share of the hit's
_NEAR_BEST = 0.05  # share of the best likelihood: surplus notes mislead a small model


@dataclass(frozen=True, slots=True)
class Injected:
    """A memory injected into a prompt.

    Attributes:
        record: The record.
        score: Estimated probability that it answers the question, 0 to 1.
        scores: The components of its recall score.
        tokens: Tokens of its line.
        earlier: The records it replaced, as far as its line says them too, the latest first.
        asked: The question that it answers, which its line says too.
    """

    record: Record
    score: float
    scores: Scores
    tokens: int
    earlier: tuple[Record, ...] = ()
    asked: Record | None = None

    @property
    def records(self) -> tuple[Record, ...]:
        """The records whose words are in its line."""
        return (self.record, *self.earlier, *([] if self.asked is None else [self.asked]))


@dataclass(frozen=True, slots=True)
class Found:
    """A hit worth a note.

    Attributes:
        hit: What recall found.
        likelihood: Estimated probability that it answers the question.
        earlier: The records it replaced, the latest first.
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
        """Since when it has been true, as far as known."""
        return self.record.valid_from or self.record.created_at


@dataclass(frozen=True, slots=True)
class Notes:
    """A packed notes block.

    Attributes:
        text: What follows the user's words in the prompt; empty without memories.
        memories: The memories in it, in text order.
        dropped: Recalled records that did not fit the budget, best first.
        labels: What the notes add to the words of records: who said them, and when.
    """

    text: str
    memories: tuple[Injected, ...]
    dropped: tuple[Record, ...]
    labels: tuple[str, ...] = ()

    @property
    def quotes(self) -> tuple[str, ...]:
        """How a reply begins to repeat a note's who and when, which a small model does.

        The beginning is enough, since what it makes of the day is often wrong: " (I, Mon ".
        """
        dates = [label.rpartition(", ")[0] for label in self.labels]
        cut = [f"{' '.join(date.split()[:-3])} " if ", " in date else date for date in dates]
        return tuple(dict.fromkeys(f" ({one}" for one in cut))

    @property
    def records(self) -> tuple[Record, ...]:
        """The records whose words are in the text."""
        return tuple(record for one in self.memories for record in one.records)


def chosen(
    memory: Memory,
    hits: Sequence[Hit],
    likelihoods: Sequence[float],
    *,
    seen: Collection[str],
    at_most: int,
) -> list[Found]:
    """Return the hits to give, with what was said later about them and what they replaced.

    Args:
        memory: Where they were found.
        hits: What recall found.
        likelihoods: One per hit, see `Memory.likelihoods`.
        seen: Ids of the records that the prompt shows.
        at_most: Maximum number of notes.
    """
    found = worth_a_note(hits, likelihoods, at_most=at_most)
    return _with_earlier(memory, renewed(memory, found, seen=seen, at_most=at_most))


def worth_a_note(hits: Sequence[Hit], likelihoods: Sequence[float], *, at_most: int) -> list[Found]:
    """Return the likeliest hit and those nearly as likely, the likeliest first.

    Args:
        hits: What recall found.
        likelihoods: One per hit, see `Memory.likelihoods`.
        at_most: Maximum number of hits.
    """
    found = [Found(hit, chance) for hit, chance in zip(hits, likelihoods, strict=True)]
    found.sort(key=lambda one: -one.likelihood)
    return [one for one in found if one.likelihood >= _NEAR_BEST * found[0].likelihood][:at_most]


def renewed(
    memory: Memory, found: Sequence[Found], *, seen: Collection[str], at_most: int
) -> list[Found]:
    """Add what was said later about the likeliest hits, unless the prompt shows it already.

    Args:
        memory: Searched once for each of these hits, without a forward pass.
        found: Hits, the likeliest first.
        seen: Ids of the records that the prompt shows.
        at_most: Maximum number of notes.
    """
    later = memory.later([one.record for one in found[:_RENEWED]])
    unseen = {old: new for old, new in later.items() if new.id not in seen}
    return with_later(found, unseen, at_most=at_most)


def _with_earlier(memory: Memory, found: Sequence[Found]) -> list[Found]:
    """Attach to each hit the records it replaced."""
    earlier = memory.predecessors(one.record.id for one in found)
    return [replace(one, earlier=tuple(earlier.get(one.record.id, ()))) for one in found]


def with_later(found: Sequence[Found], later: Mapping[str, Record], *, at_most: int) -> list[Found]:
    """Put after each hit what its speaker said later about it; the least likely are dropped.

    Args:
        found: Hits, the likeliest first.
        later: From `Memory.later`.
        at_most: Maximum number of notes.
    """
    there = {one.record.id for one in found}
    with_it: list[Found] = []
    for one in found:
        with_it.append(one)
        new = later.get(one.record.id)
        if new is not None and new.id not in there:
            there.add(new.id)
            hit = replace(one.hit, record=new, scores=Scores(), span=None, asked=None)
            with_it.append(Found(hit, _OF_LATER * one.likelihood))
    return with_it[:at_most]


def pack_notes(
    found: Sequence[Found], *, budget: int, count_tokens: Callable[[str], int], now: datetime
) -> Notes:
    """Pack the likeliest that fit, then put the newest first.

    Args:
        found: Hits, the likeliest first.
        budget: Maximum tokens of the block.
        count_tokens: The model's own count for a text.
        now: The current time, aware; notes say how long ago each was said.
    """
    left = budget - count_tokens(_HEADING)
    taken: list[tuple[Found, Injected, str]] = []
    dropped: list[Record] = []
    for one in found:
        line = _line(one, now)
        tokens = count_tokens(line)
        if tokens > left:
            dropped.append(one.record)
            continue
        left -= tokens
        injected = Injected(
            one.record,
            one.likelihood,
            one.hit.scores,
            tokens,
            one.earlier[:_MOST_EARLIER],
            None if one.hit.asked is None else one.hit.asked.record,
        )
        taken.append((one, injected, line))
    taken.sort(key=lambda one: one[0].since, reverse=True)
    return Notes(
        _HEADING + "".join(line for _, _, line in taken) if taken else "",
        tuple(memory for _, memory, _ in taken),
        tuple(dropped),
        (
            *(_label(one, now) for one, _, _ in taken),
            *(_when(record, now) for _, memory, _ in taken for record in memory.earlier),
        ),
    )


def _line(found: Found, now: datetime) -> str:
    """Write one note on one line: first the words, which a small model repeats, then who and when.

    What it replaced follows. Of two notes that are merely about the same thing, the dates alone say
    which is older: no sign tells a change from an addition (experiment 47). Experiment 21 lists the
    wordings that were tried (`docs/experiments.md`).
    """
    start, end = found.hit.span or (0, len(found.record.text))
    said = _cut(found.record.text[start:end], _LONGEST_NOTE)
    opening = "now: " if found.earlier else ""
    if found.hit.asked is not None:
        said = f"{_question(found.hit.asked.record.text)} {said}"
    line = f"\n- {opening}{said} ({_label(found, now)})"
    for before in found.earlier[:_MOST_EARLIER]:
        line += f" Earlier: {_cut(before.text, _LONGEST_EARLIER)} ({_when(before, now)})"
    return line


def _question(text: str) -> str:
    """Return, in quotes, the last sentence of a text that asks."""
    asking = [one for one in sentences(text) if is_question(one)]
    return f'"{_cut(asking[-1], _LONGEST_EARLIER)}"'


def _when(record: Record, now: datetime) -> str:
    return dated(record.valid_from or record.created_at, now)


def _label(found: Found, now: datetime) -> str:
    return f"{_origin(found.record)}, {_when(found.record, now)}"


def _cut(text: str, longest: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"


def _origin(record: Record) -> str:
    """Name the speaker from the view of the user, whose message contains the note.

    What the user typed elsewhere and imported is the user's too. Of a file only its name is given:
    a small model repeats a path.
    """
    who = {"user": "I", "assistant": "you"}.get(record.role, record.role)
    if record.role == "note" and record.source is not None:
        path = record.source.uri.replace("\\", "/").rstrip("/")
        who = f"in {path.rpartition('/')[2]}"
    return who
