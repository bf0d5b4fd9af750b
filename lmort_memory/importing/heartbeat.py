"""A watcher's heartbeat file beside the database, from which `status` tells whether it is alive.

One JSON file per watcher, `memory.db.watch-PID`, mode 0600. A heartbeat only updates the file's
modification time.
"""

from __future__ import annotations

import glob
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lmort_memory.paths import make_private_dir, replacing

__all__ = ["Heartbeat", "Pulse", "pulses"]

_BEAT_S = 30.0
_DEAD_AFTER_S = 120.0  # three missed beats


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a watcher reports about itself.

    Attributes:
        pid: Its process id.
        folders: What it watches.
        scope: Where it stores.
        since: When it started.
        beat_at: Its last heartbeat.
        changed_at: When it last stored or forgot something, or None.
        error: The last error, unless something succeeded after it.
        alive: Whether there was a heartbeat within two minutes.
    """

    pid: int
    folders: tuple[str, ...]
    scope: str
    since: datetime
    beat_at: datetime
    changed_at: datetime | None
    error: str | None
    alive: bool


class Heartbeat:
    """Writes the file of one watcher. A full disk costs only the heartbeat.

    Args:
        database: The database next to the file.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(f"{database.name}.watch-{os.getpid()}")
        self._facts: dict[str, object] = {}
        self._beaten = 0.0

    def begin(self, folders: Iterable[Path], *, scope: str) -> None:
        """Announce this process, and delete the files of dead watchers."""
        make_private_dir(self._database.parent)  # of a server's database, nothing may be here yet
        for pulse, path in _found(self._database):
            if not pulse.alive:
                path.unlink(missing_ok=True)
        self._facts = {
            "pid": os.getpid(),
            "folders": [str(folder) for folder in folders],
            "scope": scope,
            "since": datetime.now(UTC).isoformat(),
            "changed_at": None,
            "error": None,
        }
        self._write()

    def beat(self) -> None:
        """Send a heartbeat, unless the last one is less than half a minute old."""
        if time.monotonic() - self._beaten >= _BEAT_S:
            try:
                os.utime(self._path)
            except OSError:
                self._write()
            self._beaten = time.monotonic()

    def note(self, at: datetime, *, error: str | None) -> None:
        """Record that something was stored or forgotten, or an error."""
        self._facts["error"] = error
        if error is None:
            self._facts["changed_at"] = at.isoformat()
        self._write()

    def recover(self) -> None:
        """Record that the watcher works again after an error."""
        if self._facts.get("error"):
            self._facts["error"] = None
            self._write()

    def end(self) -> None:
        """Delete the file."""
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        try:
            with replacing(self._path) as fresh:
                fresh.write_text(json.dumps(self._facts), encoding="utf-8")
        except OSError:
            return
        self._beaten = time.monotonic()


def pulses(database: Path) -> list[Pulse]:
    """Return the reports of a database's watchers, including dead ones."""
    return [pulse for pulse, _ in _found(database)]


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _found(database: Path) -> list[tuple[Pulse, Path]]:
    found = []
    for path in sorted(database.parent.glob(f"{glob.escape(database.name)}.watch-*")):
        try:
            beat_at = path.stat().st_mtime
            facts = json.loads(path.read_text(encoding="utf-8"))
            pulse = Pulse(
                pid=int(facts["pid"]),
                folders=tuple(map(str, facts["folders"])),
                scope=str(facts["scope"]),
                since=_when(facts["since"]),
                beat_at=datetime.fromtimestamp(beat_at, UTC),
                changed_at=facts["changed_at"] and _when(facts["changed_at"]),
                error=facts["error"] and str(facts["error"]),
                alive=time.time() - beat_at < _DEAD_AFTER_S,
            )
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue  # being replaced, or not ours
        found.append((pulse, path))
    return found
