"""Events as times: "before we moved", "after the accident", "since I have the dog".

The record that tells of the event says when it was, and the question asks for what was said before
or after it. English only, as all spoken times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from lmort_memory.memory.kinds import only_asks
from lmort_memory.memory.overlap import stems, weight
from lmort_memory.memory.times import Span, everything_before

if TYPE_CHECKING:
    from lmort_memory.types import Record

__all__ = ["LOOKED_AT", "Event", "event_in"]

LOOKED_AT: Final = 10  # records, by words, that may tell of an event

_EVENT = re.compile(r"\b(before|until|after|since)\s+(?P<words>(?!you\b|all\b)\w[^.?!;:,]*)", re.I)
# "Who looks after the dog?", "whom did we name the boat after?"
_VERB = re.compile(r"\b(?:look|nam|call|tak|took)\w*(?:\s+\w+){0,3}\s*$", re.I)
_CAUSE = re.compile(r"(?:^|,)\s*$")  # "Since I am allergic to nuts, …"
_RARE: Final = 6.0  # least weight of the words of an event: "now" and "I go" name none
_ENOUGH: Final = 0.5  # share of the event's words, by weight, that a record of it contains
_MOMENT: Final = timedelta(microseconds=1)
_LONGEST: Final = 1000  # characters; a pasted document is not a question


@dataclass(frozen=True, slots=True)
class Event:
    """An event that a question names as a time.

    Attributes:
        words: What the question calls it.
        before: Whether the question asks for what was before it, not after.
    """

    words: str
    before: bool

    def told_in(self, records: Iterable[Record]) -> Record | None:
        """Return the first of the records that tell of it, or None."""
        wanted = stems(self.words)
        least = _ENOUGH * weight(wanted)
        for record in records:
            if weight(wanted & stems(record.text)) >= least and not only_asks(record.text):
                return record
        return None

    def span(self, told: datetime, now: datetime) -> Span:
        """Return the time before or after it, which includes the moment when it was told."""
        if self.before:
            return Span(everything_before(told), told + _MOMENT, self.words)
        return Span(told, max(told, now) + _MOMENT, self.words)


def event_in(text: str) -> Event | None:
    """Return the event that a question names as a time, or None.

    >>> event_in("Where did we live before we moved?")
    Event(words='we moved', before=True)
    """
    found = _EVENT.search(text[:_LONGEST])
    if found is None or weight(stems(found["words"])) < _RARE:
        return None
    how, earlier = found[1].casefold(), text[: found.start()]
    if (how == "after" and _VERB.search(earlier)) or (how == "since" and _CAUSE.search(earlier)):
        return None
    return Event(found["words"].strip(), before=how in ("before", "until"))
