"""Progress with the remaining time, on stderr, for work of more than a second."""

from __future__ import annotations

import sys
import time

from lmort_memory.closing import Closing

from .output import is_terminal

__all__ = ["Meter", "duration"]

_QUIET_S = 1.0
_EVERY_S = 0.1


class Meter(Closing):
    """Shows the progress of work; is itself the `Progress` callback that the library calls.

    Shows nothing in the first second, or if stderr is not a terminal.
    """

    def __init__(self, label: str, *, unit: str = "") -> None:
        self._label, self._unit = label, unit
        self._started = time.monotonic()
        self._shown = 0.0
        self._first: int | None = None
        self._terminal = is_terminal(sys.stderr)
        self._drawn = False

    def close(self) -> None:
        """Take the line away."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, done: int, total: int | None) -> None:
        """Record that `done` of `total` is finished."""
        now = time.monotonic()
        if self._first is None:
            self._first = done  # work done by an earlier run says nothing about speed
        elapsed = now - self._started
        if not self._terminal or elapsed < _QUIET_S or now - self._shown < _EVERY_S:
            return
        self._shown, self._drawn = now, True
        sys.stderr.write(f"\r\x1b[K{self.line(done, total)}")
        sys.stderr.flush()

    def line(self, done: int, total: int | None) -> str:
        """Describe the progress, the speed and the remaining time."""
        elapsed = time.monotonic() - self._started
        speed = (done - (self._first or 0)) / elapsed if elapsed > 0 else 0.0
        parts = [f"{self._label}: {done:,}" + (f" of {total:,}" if total else "")]
        parts[0] += f" {self._unit}" if self._unit else ""
        if speed > 0:
            parts.append(f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s")
            if total:
                parts.append(f"{duration((total - done) / speed)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Format a duration."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
