"""Imports of files that clients send: one after the other, in the background, with progress."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lmort_memory.errors import LmortError
from lmort_memory.paths import data_dir, make_private_dir
from lmort_memory.serve import schemas
from lmort_memory.store.ulid import new_id

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

__all__ = ["Imports", "Upload", "uploads_dir"]

_ABANDONED_S = 600  # since its server last touched an upload
_TOUCHED_S = 60  # how often a server touches the uploads that wait
_KEPT = 200  # finished imports that are still listed


class _Cancelled(Exception):
    """The import is not wanted any more."""


def uploads_dir() -> Path:
    """Return the folder in which files lie while they are imported."""
    return data_dir() / "uploads"


def _clear_abandoned() -> None:
    """Remove what a killed server has left: uploads that nothing has touched for some minutes."""
    now = time.time()
    for left in uploads_dir().glob("*"):
        with suppress(OSError):  # another server's, gone meanwhile
            touched = max(one.lstat().st_mtime for one in (left, *left.rglob("*")))
            if now - touched > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)


class Upload:
    """A file on its way in: written to a private folder, hashed as it comes."""

    def __init__(self, name: str) -> None:
        """Take a file's name, a relative path with "/" between its parts.

        Raises:
            ValueError: it is no such path.
        """
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or any(part in ("..", "/") or "\0" in part for part in parts):
            raise ValueError(f"a file's name is a relative path; found {name!r}")
        if any(len(part.encode("utf-8", "replace")) > 200 for part in parts) or len(parts) > 30:
            raise ValueError("a file's name is too long")
        self.name = "/".join(parts)
        self._parts = parts
        self._digest = hashlib.sha256()
        self._folder = make_private_dir(uploads_dir() / f"part-{new_id()}")
        self._part = self._folder / "file"
        self._file = self._part.open("xb")
        self._part.chmod(0o600)

    def write(self, data: bytes) -> None:
        """Append a part."""
        self._digest.update(data)
        self._file.write(data)

    def finish(self) -> Path:
        """Move the file to its place, which depends on its content and name alone.

        So the same file sent twice is the same source and is imported once, and another file of the
        same name replaces nothing.
        """
        self._file.close()
        content = self._digest.hexdigest()[:16]
        try:
            place = self._moved_to(content)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            # The same content has come as "a", and now comes as "a/b", or the other way round.
            name = hashlib.sha256(self.name.encode("utf-8", "replace")).hexdigest()[:16]
            place = self._moved_to(f"{content}-{name}")
        self._folder.rmdir()
        return place

    def _moved_to(self, folder: str) -> Path:
        place = uploads_dir().joinpath(folder, *self._parts)
        make_private_dir(place.parent)
        return self._part.replace(place)

    def discard(self) -> None:
        """Remove what has come."""
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass(slots=True)
class Job:
    """An import as it goes on; written by its thread alone."""

    id: str
    name: str
    scope: str
    path: Path
    state: str = "waiting"
    done: int = 0
    total: int | None = None
    added: int = 0
    kept: int = 0
    removed: int = 0
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    unwanted: threading.Event = field(default_factory=threading.Event)

    def take_note(self, done: int, total: int | None) -> None:
        """Keep the progress; the importer's and the encoder's callback."""
        self.done, self.total = done, total
        if self.unwanted.is_set():
            raise _Cancelled

    @property
    def finished(self) -> bool:
        """Whether nothing more happens."""
        return self.state in ("done", "failed", "cancelled")

    def shown(self) -> schemas.Import:
        """Return what clients are told."""
        return schemas.Import(
            id=self.id,
            name=self.name,
            scope=self.scope,
            state=self.state,  # type: ignore[arg-type]
            done=self.done,
            total=self.total,
            added=self.added,
            kept=self.kept,
            removed=self.removed,
            unchanged=self.unchanged,
            problems=list(self.problems),
            left_out=dict(self.left_out),
        )


class Imports:
    """The imports of a server. Any thread may call any method."""

    def __init__(self) -> None:
        _clear_abandoned()
        self._jobs: dict[str, Job] = {}
        self._touched = time.monotonic()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lmort-import")

    def begin(self, memory: Memory, path: Path, *, name: str, scope: str) -> schemas.Import:
        """Import a file that was uploaded, after those before it."""
        _clear_abandoned()  # a server that was started at once found them too young
        job = Job(new_id(), name, scope, path)
        self._jobs[job.id] = job
        for old in [j for j in self._jobs.values() if j.finished][:-_KEPT]:
            del self._jobs[old.id]
        self._thread.submit(self._work, memory, job)
        return job.shown()

    def list(self) -> list[schemas.Import]:
        """Return every import, newest first."""
        return [job.shown() for job in reversed(list(self._jobs.values()))]

    def get(self, id_: str) -> schemas.Import | None:
        """Return an import."""
        job = self._jobs.get(id_)
        return None if job is None else job.shown()

    def cancel(self, id_: str) -> schemas.Import | None:
        """End an import after its present step; what is stored stays."""
        job = self._jobs.get(id_)
        if job is None:
            return None
        job.unwanted.set()
        if job.state == "waiting":
            job.state = "cancelled"
        return job.shown()

    @property
    def active(self) -> int:
        """How many are not finished."""
        return sum(not job.finished for job in list(self._jobs.values()))

    def close(self) -> None:
        """End every import after its present step, wait for it, and remove what was uploaded."""
        for job in list(self._jobs.values()):
            job.unwanted.set()
        self._thread.shutdown(cancel_futures=True)
        for job in self._jobs.values():
            if not job.finished:
                shutil.rmtree(_top_of(job.path), ignore_errors=True)

    def _work(self, memory: Memory, job: Job) -> None:
        state = "failed"
        try:
            state = self._import(memory, job)
        except _Cancelled:
            state = "cancelled"
        except (LmortError, OSError, ValueError) as error:
            job.problems.append(str(error))
        finally:
            others = [j for j in list(self._jobs.values()) if j is not job and not j.finished]
            if all(other.path != job.path for other in others):  # the same file, sent twice
                shutil.rmtree(_top_of(job.path), ignore_errors=True)
            job.state = state  # after all else: whoever reads it may look for the file

    def _import(self, memory: Memory, job: Job) -> str:
        """Import a file and make its vectors; returns the state in which that ends."""
        from lmort_memory.importers import scan
        from lmort_memory.importing import import_files

        if job.unwanted.is_set():
            raise _Cancelled
        job.state = "reading"
        progress = partial(self._progress, job)
        report = import_files(memory, scan([job.path]), scope=job.scope, progress=progress)
        job.added, job.kept = report.added, report.kept
        job.removed, job.unchanged = report.removed, report.unchanged
        job.left_out = dict(report.left_out)
        job.problems += [item.reason for item in report.passed_over]
        job.state, job.done, job.total = "encoding", 0, None
        memory.encode_pending(progress=progress)
        return "done" if report.complete and not job.problems else "failed"

    def _progress(self, job: Job, done: int, total: int | None) -> None:
        """Keep the progress; touch what waits, or another server would take it for abandoned."""
        job.take_note(done, total)
        if time.monotonic() - self._touched > _TOUCHED_S:
            self._touched = time.monotonic()
            for waiting in [j for j in list(self._jobs.values()) if not j.finished]:
                with suppress(OSError):
                    os.utime(_top_of(waiting.path))


def _top_of(path: Path) -> Path:
    """Return the folder of an upload, named by its content."""
    folder = path
    while folder.parent != uploads_dir():
        folder = folder.parent
    return folder
