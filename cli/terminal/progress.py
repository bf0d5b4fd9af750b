"""Progress with the remaining time, on stderr, for work of more than a second."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO

from lmort_memory.closing import Closing

from .output import is_terminal, one_line, styled, terminal_width

__all__ = ["Meter", "Waiting", "duration"]

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


class Waiting(Closing):
    """A faint line about work that shows nothing else, after its first second: "(reading, 3 s)".

    A thread draws it, since the work may be one long pass. Nothing else may be printed while it is
    there: `pause` takes it away first.
    """

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what = what
        self._stream = sys.stdout if stream is None else stream
        self._drawn = False
        self._began: float | None = None  # when counting began
        self._since: float | None = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if is_terminal(self._stream):
            self._thread = threading.Thread(target=self._draw, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Take the line away for good."""
        self._ended.set()
        self.pause()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def pause(self) -> None:
        """Take the line away; something else is shown."""
        with self._lock:
            self._since = None
            self._wipe()

    def go_on(self) -> None:
        """Draw it again, a second from now."""
        with self._lock:
            self._since = time.monotonic()

    def count(self, what: str, done: int, total: int) -> None:
        """Say how many parts of the work are done, and how long the rest will take."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        self._what = f"{what}, part {done:,} of {total:,}"
        if done:
            left = (now - self._began) / done * (total - done)
            self._what += f", {duration(left)} left"

    def _draw(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(_EVERY_S):
            with self._lock:
                now = time.monotonic()
                if self._ended.is_set() or self._since is None or now - self._since < _QUIET_S:
                    continue
                known = "" if self._began is not None else f", {duration(now - began)}"
                line = one_line(f"({self._what}{known})", terminal_width() - 1)
                self._stream.write(f"\r{styled(line, self._stream)}\x1b[K")
                self._stream.flush()
                self._drawn = True

    def _wipe(self) -> None:
        if self._drawn:
            self._drawn = False
            self._stream.write("\r\x1b[K")
            self._stream.flush()


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
