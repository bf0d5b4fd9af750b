"""Times that every zone can show, and days that stay the same day in every zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

__all__ = ["EARLIEST", "LATEST", "check_time", "day_as_time", "day_of", "representable"]

# `datetime` ends with the years 1 and 9999, and a zone is up to 24 hours from UTC: a day inside of
# both ends, `astimezone` succeeds wherever the reader is.
EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)

# A day without a time is stored as this time of it: it is the same day from UTC-10 to UTC+13:59,
# and elsewhere `day_of` knows it by its microsecond, which midnight in Kiribati does not have.
_DAY_AT = time(10, microsecond=1, tzinfo=UTC)


def check_time(name: str, when: object) -> None:
    """Refuse a value that is not a time, or has no zone.

    Raises:
        TypeError: it is not a datetime.
        ValueError: it is naive.
    """
    if not isinstance(when, datetime):
        raise TypeError(f"{name} must be a datetime; found {when!r:.80}")
    if when.tzinfo is None:
        raise ValueError(f"{name} must have a time zone; found the naive time {when}")


def representable(when: datetime) -> datetime:
    """Return an aware time moved inside the range that every zone can show."""
    # Comparing aware times never overflows, converting them may.
    return EARLIEST if when < EARLIEST else LATEST if when > LATEST else when


def day_as_time(day: date) -> datetime:
    """Return the time that stands for a day of which no time is known."""
    return representable(datetime.combine(day, _DAY_AT))


def day_of(when: datetime) -> date:
    """Return the day of an aware time here, or the day itself where it stands for one."""
    utc = representable(when).astimezone(UTC)
    return utc.date() if utc.timetz() == _DAY_AT else utc.astimezone().date()
