"""Recalled records as the notes block of a prompt: dated, attributed, cut at a token budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lmort_memory.times import day_of
from lmort_memory.types import Hit, Record, Scores

_HEADING = "\n\nNotes from memory:"
_LONGEST_NOTE = 600  # characters; the rest of a long record is one recall away
_NEAR_BEST = 0.5  # of the best hit's score: a small model is led astray by a note too many


@dataclass(frozen=True, slots=True)
class Injected:
    """A memory that entered a prompt; `tokens` is what its line cost."""

    record: Record
    score: float
    scores: Scores
    tokens: int


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


def worth_a_note(hits: Sequence[Hit], *, at_most: int) -> list[Hit]:
    """Return the hits whose score is near the best one's, best first.

    Args:
        hits: Best first.
        at_most: How many.
    """
    return [hit for hit in hits if hit.score >= _NEAR_BEST * hits[0].score][:at_most]


def pack_notes(hits: Sequence[Hit], *, budget: int, count_tokens: Callable[[str], int]) -> Notes:
    """Pack the best hits that fit, then put them in the order in which they were said.

    Args:
        hits: Best first.
        budget: Most tokens of the block.
        count_tokens: The model's own count for a text.
    """
    left = budget - count_tokens(_HEADING)
    taken: list[tuple[Injected, str]] = []
    dropped: list[Record] = []
    for hit in hits:
        line = _line(hit)
        tokens = count_tokens(line)
        if tokens > left:
            dropped.append(hit.record)
            continue
        left -= tokens
        taken.append((Injected(hit.record, hit.score, hit.scores, tokens), line))
    taken.sort(key=lambda pair: pair[0].record.created_at)
    text = _HEADING + "".join(line for _, line in taken) if taken else ""
    return Notes(text, tuple(injected for injected, _ in taken), tuple(dropped))


def _line(hit: Hit) -> str:
    """Write one note: date, who said it or where it stands, and the words, on one line."""
    record = hit.record
    start, end = hit.span or (0, len(record.text))
    words = " ".join(record.text[start:end].split())
    if len(words) > _LONGEST_NOTE:
        words = words[: _LONGEST_NOTE - 1].rstrip() + "…"
    return f"\n- On {day_of(record.created_at)} {_origin(record)}: {words}"


def _origin(record: Record) -> str:
    """Say who speaks, in the voice of the user in whose message the note stands."""
    if record.source is not None:
        return f"in {record.source.uri}"
    return {"user": "I said", "assistant": "you said"}.get(record.role, record.role)
