"""Watch folders: changes in them reach the memory within seconds.

    with Memory.open("notes.db") as memory:
        Watcher(memory, ["~/notes"]).run(stop)     until `stop` is set, in any thread

A watcher first compares the folders with the store, and again after every error and once an hour,
since an operating system may lose events. In between it sleeps until the system reports changes,
and checks only those. Unreadable files never count as deleted: in a folder without permission, on
an unmounted disk, or in a folder that is suddenly empty.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lmort_memory.errors import ImportFileError, LmortError, MissingDependencyError
from lmort_memory.importers import Format, scan_changed
from lmort_memory.importing.deleted import is_below, prune
from lmort_memory.importing.heartbeat import Heartbeat
from lmort_memory.importing.run import ImportReport, import_files
from lmort_memory.paths import expanded
from lmort_memory.types import DEFAULT_SCOPE

if TYPE_CHECKING:
    from watchfiles import Change

    from lmort_memory.memory import Memory

__all__ = ["WatchReport", "Watcher"]

_QUIET_MS = 800  # wait after the last change of a burst; watchfiles wakes up as often
_LONGEST_BURST_MS = 5_000
_WAKE_MS = 10_000  # interval to check that the folders still exist; one `stat` each
_COMPARE_S = 3600.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_FEW = 20  # files that may be deleted at once, regardless of their share of a folder


@dataclass(frozen=True, slots=True)
class WatchReport:
    """What a watcher did after a change, or what went wrong.

    Attributes:
        at: When.
        changed: What was imported; None if nothing was read.
        forgotten: Sources that were deleted from the folders and forgotten.
        turns_forgotten: Number of turns that these had.
        error: What went wrong.
        pause_s: Seconds until the watcher restarts, after an error that stopped it.
    """

    at: datetime
    changed: ImportReport | None = None
    forgotten: tuple[str, ...] = ()
    turns_forgotten: int = 0
    error: str | None = None
    pause_s: float = 0.0


class Watcher:
    """Keeps a memory in sync with folders.

    Args:
        memory: The memory to update; keep it open until `run` has returned.
        folders: Must exist now; may disappear and return later.
        scope: Scope for the turns.
        formats: Formats to read instead of all known ones.
        report: Called with every change and error, in the thread of `run`.
        heartbeat: Tells `lmort-mem status` that this watcher is alive; None for none.

    Raises:
        ImportFileError: a folder is missing or not a folder.
        MissingDependencyError: watchfiles is not installed.
    """

    def __init__(
        self,
        memory: Memory,
        folders: Iterable[str | Path],
        *,
        scope: str = DEFAULT_SCOPE,
        formats: tuple[Format, ...] | None = None,
        report: Callable[[WatchReport], None] | None = None,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        try:
            import watchfiles  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError("watchfiles", extra="watch") from error
        self._memory = memory
        self._folders = [_folder(path) for path in folders]
        self._identities = {folder: _identity(folder) for folder in self._folders}
        self._scope = scope
        self._formats = formats
        self._report = report or (lambda _: None)
        self._heartbeat = heartbeat
        self._doubted: set[str] = set()
        self._pause_s = _FIRST_PAUSE_S

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set. After an error, reports it and starts again."""
        if self._heartbeat:
            self._heartbeat.begin(self._folders, scope=self._scope)
        try:
            while not stop.is_set():
                try:
                    self._watch(stop)
                except (LmortError, OSError, RuntimeError) as error:  # watchfiles: RuntimeError
                    self._tell(WatchReport(_now(), error=_reason(error), pause_s=self._pause_s))
                    stop.wait(self._pause_s)
                    self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        finally:
            if self._heartbeat:
                self._heartbeat.end()

    def _watch(self, stop: threading.Event) -> None:
        """Compare, then follow the events until it is time to compare again."""
        from watchfiles import watch

        self._identities = {folder: _identity(folder) for folder in self._folders}
        self._check_folders()
        self._compare()
        complete, until = False, time.monotonic() + _COMPARE_S
        for changes in watch(
            *self._folders,
            watch_filter=None,
            debounce=_LONGEST_BURST_MS,
            step=_QUIET_MS,
            stop_event=stop,
            rust_timeout=_WAKE_MS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            self._check_folders()
            if not complete:  # changes made before the system began to watch
                self._compare()
                complete, self._pause_s = True, _FIRST_PAUSE_S
                if self._heartbeat:
                    self._heartbeat.recover()
            elif changes:
                self._follow(changes)
            self._beat()
            if time.monotonic() > until:
                return

    def _check_folders(self) -> None:
        """Notice a folder that disappeared or was replaced, before it looks empty."""
        for folder, known in self._identities.items():
            found = _identity(folder)
            if found is None:
                raise ImportFileError(
                    f"{folder} is missing or unreadable; nothing is forgotten — waiting for it",
                    path=str(folder),
                )
            if found != known:
                raise ImportFileError(
                    f"{folder} was replaced by another folder; scanning it again", path=str(folder)
                )

    def _compare(self) -> None:
        """Bring the memory up to date with the folders, by file sizes and times."""
        stored = {state.uri: state for state in self._memory.store.sources(scope=self._scope)}
        listing = _Listing()
        for folder in self._folders:
            listing.add(folder)
        changed = [
            path
            for path, size, modified in listing.files
            if path not in stored
            or (stored[path].size_bytes, stored[path].modified_ns) != (size, modified)
        ]
        below = [uri for uri in stored if any(is_below(uri, str(f)) for f in listing.filled)]
        gone = [
            uri
            for uri in below
            if not any(is_below(uri, unseen) for unseen in listing.unseen)
            and not os.path.lexists(uri)
        ]
        self._store(changed, gone, of=len(below))

    def _follow(self, changes: set[tuple[Change, str]]) -> None:
        paths = sorted({path for _, path in changes})
        missing = [path for path in paths if not os.path.lexists(path)]
        gone: list[str] = []
        stored: list[str] = []
        if missing:
            stored = [state.uri for state in self._memory.store.sources(scope=self._scope)]
            stored = [uri for uri in stored if any(is_below(uri, str(f)) for f in self._folders)]
            gone = [
                uri
                for uri in stored
                if any(uri == path or is_below(uri, path) for path in missing)
                and self._is_gone(uri)
            ]
        self._store([path for path in paths if path not in missing], gone, of=len(stored))

    def _is_gone(self, uri: str) -> bool:
        """Whether a file was really deleted, not just made unreachable."""
        if os.path.lexists(uri):
            return False
        folder = next((folder for folder in self._folders if is_below(uri, str(folder))), None)
        parent = Path(uri).parent
        while folder is not None and parent != folder and not parent.exists():
            parent = parent.parent
        try:
            return folder is not None and any(folder.iterdir()) and os.access(parent, os.R_OK)
        except OSError:
            return False

    def _store(self, changed: list[str], gone: list[str], *, of: int) -> None:
        """Import changes, then forget deleted files, so that moved files are never missing.

        Args:
            changed: Changed files and folders.
            gone: Deleted sources.
            of: Number of sources in the folders.
        """
        found = scan_changed(changed, self._folders, formats=self._formats)
        done = None
        if found.files:
            done = import_files(self._memory, found, scope=self._scope, progress=self._beat)
        moved = 0 if done is None else done.files
        if len(gone) > max(_FEW, of // 2) and moved < len(gone):
            self._doubt(gone, of=of)
            gone = []
        turns = prune(self._memory, gone, scope=self._scope)
        if gone or (done is not None and (done.added or done.removed or not done.complete)):
            self._tell(WatchReport(_now(), done, tuple(gone), turns))
        if done is not None and done.added:
            self._memory.encode_in_background()

    def _doubt(self, gone: list[str], *, of: int) -> None:
        """Warn once that many files were deleted: probably by mistake."""
        if self._doubted != set(gone):
            self._doubted = set(gone)
            error = (
                f"{len(gone)} of {of} files were deleted at once and are still remembered —"
                " `lmort-mem import FOLDER --prune` forgets them"
            )
            self._tell(WatchReport(_now(), error=error))

    def _beat(self, *_: object) -> None:
        if self._heartbeat:
            self._heartbeat.beat()

    def _tell(self, report: WatchReport) -> None:
        if self._heartbeat:
            self._heartbeat.note(report.at, error=report.error)
        self._report(report)


@dataclass(slots=True)
class _Listing:
    """The files below folders, without reading them.

    Attributes:
        files: Path, size in bytes, time of change in nanoseconds.
        filled: The folders that are not empty.
        unseen: Subfolders that cannot be read.
    """

    files: list[tuple[str, int, int]] = field(default_factory=list)
    filled: list[Path] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def add(self, root: Path) -> None:
        """List the files below a folder, without hidden files and folders."""
        before = len(self.files)
        for folder, subfolders, names in os.walk(root, onerror=self._note):
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118  ten times as fast as Path
                try:
                    stat = os.stat(path)  # noqa: PTH116
                except OSError:
                    continue
                if not name.startswith("."):
                    self.files.append((path, stat.st_size, stat.st_mtime_ns))
        if len(self.files) > before:
            self.filled.append(root)

    def _note(self, error: OSError) -> None:
        self.unseen.append(error.filename)


def _folder(path: str | Path) -> Path:
    found = Path(os.path.abspath(expanded(path)))  # noqa: PTH100  keeps links
    if not found.is_dir():
        raise ImportFileError(
            f"{found} is not a folder — choose an existing folder", path=str(found)
        )
    return found


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return a folder's identity, which differs for another of the same name; None if missing."""
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if "watch limit" in text.lower() or "no space left" in text.lower():
        return f"{text} — raise fs.inotify.max_user_watches, or set WATCHFILES_FORCE_POLLING=1"
    return text


def _now() -> datetime:
    return datetime.now(UTC)
