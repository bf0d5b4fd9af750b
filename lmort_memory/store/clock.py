"""Times as stored in the database: microseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lmort_memory.times import EARLIEST, LATEST

__all__ = ["from_us", "now_us", "to_us"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_us(when: datetime) -> int:
    """Return the exact microseconds since the epoch of an aware time, without floats.

    Raises:
        ValueError: the time is naive.
    """
    if when.tzinfo is None:
        raise ValueError(f"a time must have a time zone; found the naive time {when}")
    return (when - EPOCH) // MICROSECOND


_FIRST_US, _LAST_US = to_us(EARLIEST), to_us(LATEST)


def from_us(microseconds: int) -> datetime:
    """Return the aware UTC time, moved to the nearest time that is valid in every zone."""
    if not _FIRST_US <= microseconds <= _LAST_US:
        microseconds = min(max(microseconds, _FIRST_US), _LAST_US)
    return EPOCH + timedelta(microseconds=microseconds)


def now_us() -> int:
    """Return the current time."""
    return to_us(datetime.now(UTC))
