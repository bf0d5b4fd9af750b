"""Files into a memory: incrementally, so that a second run reads only what has changed.

A source (a note, one conversation of an export) is stored whole, with the hash of what it was made
from, and what is stored is on disk. An interrupted run loses nothing, and the next one goes on
where it stopped. Text is found by its words as soon as it is stored; the vectors follow.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from lmort_memory.errors import ImportFileError
from lmort_memory.importers import FoundFile, PassedOver, ScanReport, file_uri, fingerprint, read
from lmort_memory.memory.reservoir import Reservoir
from lmort_memory.store.values import SourceState
from lmort_memory.types import DEFAULT_SCOPE, Progress, Turn

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

__all__ = ["ImportEstimate", "ImportReport", "estimate", "find_deleted", "import_files", "prune"]

_SAMPLE = 48  # turns that are encoded to learn the speed: some seconds on a slow machine
_DISK_PER_BYTE = 4  # database bytes for a byte of text; 672 KB for 143 KB of notes, words indexed
_VECTOR_BYTES = 2 * 1.2  # float16, and what a row and its index entries take beside it


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        files: Files that were read.
        unchanged: Files, and conversations in changed files, that are stored as they are now.
        added: Turns that are new.
        kept: Turns of changed sources that were there already.
        removed: Turns that their changed source no longer holds.
        left_out: Parts of files that are no turns, by reason.
        passed_over: Files that were not imported, and why.
    """

    files: int
    unchanged: int
    added: int
    kept: int
    removed: int
    left_out: Mapping[str, int]
    passed_over: tuple[PassedOver, ...]

    @property
    def complete(self) -> bool:
        """Whether every file of a known format was stored."""
        return all(item.kind != "problem" for item in self.passed_over)


@dataclass(frozen=True, slots=True)
class ImportEstimate:
    """What an import would do; nothing was stored.

    Attributes:
        files: Files that would be read.
        unchanged: Files that are stored as they are now.
        turns: Turns in the files that would be read, those of unchanged conversations included.
        tokens: Tokens of these turns, from a sample; None without a model.
        encode_s: Seconds that their vectors take, from a sample encoded just now; None without an
            encoder.
        disk_bytes: Growth of the database.
        left_out: Parts of files that are no turns, by reason.
        passed_over: Files that would not be imported, and why.
    """

    files: int
    unchanged: int
    turns: int
    tokens: int | None
    encode_s: float | None
    disk_bytes: int
    left_out: Mapping[str, int]
    passed_over: tuple[PassedOver, ...]


def estimate(
    memory: Memory,
    scan: ScanReport,
    *,
    scope: str = DEFAULT_SCOPE,
    progress: Progress | None = None,
) -> ImportEstimate:
    """Read everything that `import_files` would read, and say what storing it would take."""
    run = _Run(memory, scope)
    count = _Count(progress)
    for file in scan.files:
        try:
            if run.is_stored(file_uri(file.path), fingerprint(file.path, file.format)):
                run.unchanged += 1
            else:
                count.take(read(file, run.left_out))
                run.files += 1
        except ImportFileError as error:
            run.passed_over.append(PassedOver(str(file.path), str(error), "problem"))
    tokens, seconds, vector_bytes = _measure(memory, count)
    return ImportEstimate(
        files=run.files,
        unchanged=run.unchanged,
        turns=count.turns,
        tokens=tokens,
        encode_s=seconds,
        disk_bytes=count.size_bytes * _DISK_PER_BYTE + vector_bytes,
        left_out=+run.left_out,
        passed_over=(*scan.passed_over, *run.passed_over),
    )


@dataclass(slots=True)
class _Count:
    """The size of a stream of turns, and a sample of it."""

    progress: Progress | None = None
    size_bytes: int = 0
    sample: Reservoir[str] = field(default_factory=lambda: Reservoir(_SAMPLE))

    @property
    def turns(self) -> int:
        return self.sample.seen

    def take(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            self.sample.offer(turn.text)
            self.size_bytes += len(turn.text.encode())
            if self.progress is not None:
                self.progress(self.turns, None)


def _measure(memory: Memory, count: _Count) -> tuple[int | None, float | None, int]:
    """Return the tokens, the seconds of encoding and the bytes of vectors, from the sample."""
    if not count.sample.items:
        return None, None, 0
    share = count.size_bytes / sum(len(text.encode()) for text in count.sample.items)
    tokens = seconds = None
    vector_bytes = 0
    if memory.backbone is not None:
        tokens = sum(len(memory.backbone.vocabulary.tokenize(text)) for text in count.sample.items)
        tokens = round(tokens * share)
    if memory.encoder is not None:
        began = time.perf_counter()
        encoded = memory.encoder.encode(count.sample.items)
        seconds = (time.perf_counter() - began) * share
        vector_bytes = round(sum(one.vectors.size for one in encoded) * _VECTOR_BYTES * share)
    return tokens, seconds, vector_bytes


def import_files(
    memory: Memory,
    scan: ScanReport,
    *,
    scope: str = DEFAULT_SCOPE,
    progress: Progress | None = None,
) -> ImportReport:
    """Store the files that a scan has found; the vectors are left to `Memory.encode_pending`.

    A damaged file is reported and does not stop the others. Files that are stored as they are now
    are not read again.

    Args:
        memory: Where to.
        scan: What `lmort_memory.importers.scan` has found.
        scope: Turns are stored in it; the records of an export of ours go back to their own.
        progress: Told the turns that were found so far, after each source; nobody knows in all.
    """
    run = _Run(memory, scope, progress)
    for file in scan.files:
        try:
            run.store_file(file)
        except ImportFileError as error:
            run.passed_over.append(PassedOver(str(file.path), str(error), "problem"))
    return ImportReport(
        files=run.files,
        unchanged=run.unchanged,
        added=run.added,
        kept=run.kept,
        removed=run.removed,
        left_out=+run.left_out,
        passed_over=(*scan.passed_over, *run.passed_over),
    )


def find_deleted(memory: Memory, scan: ScanReport, *, scope: str = DEFAULT_SCOPE) -> list[str]:
    """Return the sources below the scanned folders whose file is gone.

    What lies in a folder that could not be read is not gone. Neither is anything below a scanned
    folder in which no file was found: it looks like a disk that is not there.
    """
    roots = [
        root for root in scan.roots if any(_is_below(str(file.path), root) for file in scan.files)
    ]
    return [
        state.uri
        for state in memory.store.sources(scope=scope)
        if any(_is_below(state.uri, root) for root in roots)
        and not any(_is_below(state.uri, folder) for folder in scan.unseen)
        and not os.path.lexists(state.uri)
    ]


def prune(memory: Memory, sources: Iterable[str], *, scope: str = DEFAULT_SCOPE) -> int:
    """Forget everything that came from the sources; returns how many turns that were."""
    return sum(memory.forget(scope=scope, source=uri).records for uri in sources)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))  # noqa: PTH118  adds the separator


@dataclass(slots=True)
class _Run:
    """One import, and what it has done so far."""

    memory: Memory
    scope: str
    progress: Progress | None = None
    files: int = 0
    unchanged: int = 0
    added: int = 0
    kept: int = 0
    removed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    passed_over: list[PassedOver] = field(default_factory=list)

    def store_file(self, file: FoundFile) -> None:
        """Store what a file holds, unless that is there already.

        The file's own state is written last: an interrupted file is read again.
        """
        digest = fingerprint(file.path, file.format)
        state = _file_state(file, digest)
        if self.is_stored(state.uri, digest):
            self.unchanged += 1
            return
        if file.format.restores:
            self._restore(file, state)
        else:
            self._store(file, state)
        self.files += 1

    def _store(self, file: FoundFile, state: SourceState) -> None:
        written = False
        for uri, turns in groupby(read(file, self.left_out), key=_source_uri):
            if uri == state.uri:
                self._replace(state, turns)
                written = True
            else:
                self._store_part(uri, list(turns))
        if not written:
            self._replace(state, ())

    def _store_part(self, uri: str, turns: list[Turn]) -> None:
        """Store one of the sources that a file holds: a conversation of an export."""
        digest = _digest(turns)
        if self.is_stored(uri, digest):
            self.unchanged += 1
        else:
            self._replace(SourceState(uri, digest), turns)

    def is_stored(self, uri: str, digest: str) -> bool:
        """Whether a source is stored as it is now."""
        state = self.memory.store.source_state(uri, scope=self.scope)
        return state is not None and state.digest == digest

    def _replace(self, state: SourceState, turns: Iterable[Turn]) -> None:
        change = self.memory.store.replace_source(state, turns, scope=self.scope)
        self.added += change.added
        self.kept += change.kept
        self.removed += change.removed
        if self.progress is not None:
            self.progress(self.added + self.kept, None)

    def _restore(self, file: FoundFile, state: SourceState) -> None:
        """Bring back the records of an export of ours, with the scopes and sources they had."""
        before, seen = self.added + self.kept, 0

        def take_note(done: int, _: int | None) -> None:
            nonlocal seen
            seen = done
            if self.progress is not None:
                self.progress(before + done, None)

        new = self.memory.restore(file.path, progress=take_note)
        self.added += new
        self.kept += seen - new
        self._replace(state, ())  # marks the file as done


def _file_state(file: FoundFile, digest: str) -> SourceState:
    stat = file.path.stat()
    return SourceState(file_uri(file.path), digest, stat.st_size, stat.st_mtime_ns)


def _source_uri(turn: Turn) -> str:
    return turn.source.uri if turn.source else ""


def _digest(turns: Iterable[Turn]) -> str:
    """Hash what the turns of one source say, so that next month's export tells what is new."""
    digest = hashlib.sha256()
    for turn in turns:
        when = turn.created_at and turn.created_at.isoformat()
        parts = [turn.role, turn.session, when, dict(turn.metadata), turn.text]
        digest.update(json.dumps(parts, sort_keys=True).encode())
    return digest.hexdigest()
