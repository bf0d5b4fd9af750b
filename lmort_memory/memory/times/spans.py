"""What a spoken time is: a span with the words that name it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Span", "everything_before", "past"]

_ALWAYS = datetime(2, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` until just before `end`, both aware; `words` is the phrase."""

    start: datetime
    end: datetime
    words: str

    def holds(self, when: datetime) -> bool:
        """Return whether a time is in the span."""
        return self.start <= when < self.end


def everything_before(now: datetime) -> datetime:
    """Return a time before all others, in the zone of `now`."""
    return _ALWAYS.replace(tzinfo=now.tzinfo)


def past(span: Span | None, now: datetime) -> Span | None:
    """Return a span unless it is in the future, or empty."""
    return span if span is not None and span.start <= now and span.start < span.end else None
