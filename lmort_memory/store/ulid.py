"""Time-sortable ids: ULIDs (github.com/ulid/spec), strictly increasing within a process."""

from __future__ import annotations

import secrets
import threading
import time

__all__ = ["new_id"]

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
RANDOM_BITS = 80
_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """Return a new ULID: 26 characters, 48 bits of milliseconds and 80 random bits.

    Thread-safe. Ids of one process sort in the order in which they were made, even within a
    millisecond or after the clock goes back.
    """
    global _last
    fresh = (time.time_ns() // 1_000_000) << RANDOM_BITS | secrets.randbits(RANDOM_BITS)
    with _lock:
        _last = value = max(fresh, _last + 1)
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
