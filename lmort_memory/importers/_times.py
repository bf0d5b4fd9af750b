"""Dates of the formats to aware UTC times. A time without a zone is this computer's local time."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["from_epoch", "from_iso", "from_name", "modified_at"]

_DAY_IN_NAME = re.compile(r"(?<!\d)(\d{4})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")


def from_iso(value: object) -> datetime | None:
    """Read ISO 8601; None for anything else, so that a typo in a note costs only its date."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.strip())
        return when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def from_epoch(value: object) -> datetime | None:
    """Read seconds since 1970; None for anything that is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def from_name(stem: str) -> datetime | None:
    """Find the day in the name of a daily note, such as "2024-05-01 Trondheim"."""
    day = _DAY_IN_NAME.search(stem)
    return from_iso("-".join(day.groups())) if day else None


def modified_at(path: Path) -> datetime | None:
    """When the file was last written."""
    return from_epoch(path.stat().st_mtime)
