"""Import files into a memory, incrementally: a second run reads only what has changed.

A source (a note, or one conversation of an export) is stored as a unit, with a hash of its content,
and is on disk once stored. An interrupted run loses nothing, and the next one resumes where it
stopped. Text can be found by words as soon as it is stored; vectors follow.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby, islice
from typing import TYPE_CHECKING

from lmort_memory.errors import ImportFileError, MissingDependencyError
from lmort_memory.importers import (
    FoundFile,
    LeftOut,
    PassedOver,
    ScanReport,
    file_uri,
    fingerprint,
    read,
)
from lmort_memory.memory.databases import dumped_records, is_database
from lmort_memory.memory.reservoir import Reservoir
from lmort_memory.memory.transfer import restore_records, restoring
from lmort_memory.store.clock import to_us
from lmort_memory.store.values import Dumped, SourceState
from lmort_memory.text import counted
from lmort_memory.types import DEFAULT_SCOPE, Progress, Turn

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

__all__ = ["ImportEstimate", "ImportReport", "estimate", "import_files"]

_BATCH = 500  # messages in one transaction
_SAMPLE = 48  # turns to encode to measure the speed: some seconds on a slow machine
_DISK_PER_BYTE = 4  # database bytes per byte of text: 672 KB for 143 KB of notes, words indexed
_MAX_INTEGER = 2**63 - 1  # of a column; the year 2262 in nanoseconds
_FAIR_SHARE = 20  # after this share of the bytes, extrapolate to the rest
_REPLACED = "character that is not Unicode, replaced by U+FFFD"
_OLDER = "conversation that is stored from a later export"
_VECTOR_BYTES = 2 * 1.2  # float16, plus the overhead of a row and its index entries


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import.

    Attributes:
        files: Number of files read.
        unchanged: Files, and conversations in changed files, already stored in their current state.
        added: New turns.
        kept: Turns of changed sources that were already stored.
        removed: Turns that a changed source no longer contains.
        left_out: Parts of files that are not turns, by reason.
        passed_over: Files that were not imported, and why.
        redacted: Number of secrets replaced, by kind, if the memory redacts.
    """

    files: int
    unchanged: int
    added: int
    kept: int
    removed: int
    left_out: Mapping[str, int]
    passed_over: tuple[PassedOver, ...]
    redacted: Mapping[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every file in a known format was stored."""
        return all(item.kind != "problem" for item in self.passed_over)


@dataclass(frozen=True, slots=True)
class ImportEstimate:
    """What an import would do; nothing was stored.

    Attributes:
        files: Number of files that would be read.
        unchanged: Files already stored in their current state.
        turns: Turns in the files that would be read, including those of unchanged conversations.
        tokens: Estimated tokens of these turns, from a sample; None without a model.
        encode_s: Estimated seconds to make their vectors, from a sample encoded just now; None
            without an encoder.
        disk_bytes: Estimated growth of the database.
        left_out: Parts of files that are not turns, by reason.
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
    """Read everything that `import_files` would read, and estimate what storing it would take."""
    run = _Run(memory, scope)
    count = _Count(progress)
    for file in run.every_file(scan):
        with run.reported(file):
            if run.is_stored(file_uri(file.path), run.fingerprint(file)):
                run.unchanged += 1
            else:
                count.take(_turns(file, run.left_out))
                run.files += 1
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
    """Estimate the tokens, the seconds of encoding and the bytes of vectors, from the sample."""
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
    """Store the files found by a scan; `Memory.encode_pending` makes the vectors.

    A damaged file is reported and does not stop the others. Files already stored in their current
    state are not read again.

    Args:
        memory: Where to.
        scan: What `lmort_memory.importers.scan` has found.
        scope: Scope for the turns; records of one of our own exports keep theirs.
        progress: Called with the number of turns found so far and, once some files were read, the
            expected total.
    """
    run = _Run(memory, scope, progress)
    before = run.redacted
    for file in run.every_file(scan):
        with run.reported(file):
            run.store_file(file)
    return ImportReport(
        files=run.files,
        unchanged=run.unchanged,
        added=run.added,
        kept=run.kept,
        removed=run.removed,
        left_out=+run.left_out,
        passed_over=(*scan.passed_over, *run.passed_over),
        redacted=run.redacted - before,
    )


@dataclass(slots=True)
class _Run:
    """A running import, and what it has done so far."""

    memory: Memory
    scope: str
    progress: Progress | None = None
    files: int = 0
    unchanged: int = 0
    added: int = 0
    kept: int = 0
    removed: int = 0
    told: int = 0
    read_bytes: int = 0
    all_bytes: int = 0
    left_out: LeftOut = field(default_factory=LeftOut)
    passed_over: list[PassedOver] = field(default_factory=list)

    def every_file(self, scan: ScanReport) -> Iterator[FoundFile]:
        """Yield the files of a scan, and count the characters replaced in each."""
        self.all_bytes = scan.size_bytes
        for file in scan.files:
            told = self.told
            with counted() as replaced:
                yield file
            self.left_out[_REPLACED] += replaced.characters
            self.read_bytes += file.size_bytes
            if self.told == told:  # an unchanged file counts as progress too
                self.tell(self.added + self.kept)

    def tell(self, turns: int) -> None:
        """Report the number of turns stored, and the total expected from the files read."""
        self.told += 1
        if self.progress is not None:
            fair = self.read_bytes * _FAIR_SHARE > self.all_bytes and turns > 0
            expected = round(turns * self.all_bytes / self.read_bytes) if fair else None
            self.progress(turns, expected)

    @contextmanager
    def reported(self, file: FoundFile) -> Iterator[None]:
        """Report a file that cannot be read completely, and continue with the next."""
        try:
            yield
        except (ImportFileError, MissingDependencyError) as error:
            self.passed_over.append(PassedOver(str(file.path), str(error), "problem"))
        except OSError as error:
            reason = f"it cannot be read: {error.strerror or error}"
            self.passed_over.append(PassedOver(str(file.path), reason, "problem"))
        except (ValueError, OverflowError) as error:  # a value that the database rejects
            reason = f"it cannot be stored: {error}"
            self.passed_over.append(PassedOver(str(file.path), reason, "problem"))

    def store_file(self, file: FoundFile) -> None:
        """Store a file's content, unless it is already stored.

        The file's own state is written last, so an interrupted file is read again.
        """
        digest = self.fingerprint(file)
        state = _file_state(file, digest)
        if self.is_stored(state.uri, digest):
            self.unchanged += 1
            return
        if file.format.restores:
            self._restore(file, state)
        elif file.format.appends:
            self._append(file, state)
        else:
            self._store(file, state)
        self.files += 1

    @property
    def redacted(self) -> Counter[str]:
        """The number of secrets that the memory has replaced so far, by kind."""
        return Counter() if self.memory.redactor is None else self.memory.redactor.counts

    def fingerprint(self, file: FoundFile) -> str:
        """Hash a file; a file stored with its secrets is read again to redact them."""
        digest = fingerprint(file.path, file.format)
        return digest if self.memory.redactor is None else f"{digest} redacted"

    def _read(self, file: FoundFile) -> Iterator[Turn]:
        return (self.memory.cleaned(turn) for turn in read(file, self.left_out))

    def _store(self, file: FoundFile, state: SourceState) -> None:
        turns = _UntilDamage(self._read(file))
        written = False
        for uri, found in groupby(turns, key=_source_uri):
            if uri == state.uri:
                self._replace(state, turns.with_damage(found))
                written = True
            else:
                self._store_part(uri, list(found), turns)
        if turns.error is not None:
            raise turns.error
        if not written:
            self._replace(state, ())

    def _append(self, file: FoundFile, state: SourceState) -> None:
        """Store the missing messages, and remove none."""
        turns = _UntilDamage(self._read(file))
        scoped = (replace(turn, scope=self.scope) for turn in turns)
        while batch := list(islice(scoped, _BATCH)):
            new = sum(one.new for one in self.memory.store.add(batch))
            self.added += new
            self.kept += len(batch) - new
            self.tell(self.added + self.kept)
        if turns.error is not None:
            raise turns.error
        self._replace(state, ())  # marks the file as done

    def _store_part(self, uri: str, found: list[Turn], turns: _UntilDamage) -> None:
        """Store one of a file's sources: a conversation of an export.

        Skips it if a later state is already stored, even from a file of another name.
        """
        changed = self.left_out.dates.pop(uri, None) or _last_said(found)
        state = SourceState(uri, _digest(found), modified_ns=_nanoseconds(changed))
        stored = self.memory.store.source_state(uri, scope=self.scope)
        same = stored is not None and stored.digest == state.digest
        if stored is not None and same and stored.modified_ns >= state.modified_ns:
            self.unchanged += 1
        elif stored is not None and stored.modified_ns > state.modified_ns:
            self.unchanged += 1
            self.left_out[_OLDER] += 1
        else:
            self._replace(state, turns.with_damage(found))

    def is_stored(self, uri: str, digest: str) -> bool:
        """Whether a source is stored in its current state; a redacted one stays redacted."""
        state = self.memory.store.source_state(uri, scope=self.scope)
        return state is not None and state.digest in (digest, f"{digest} redacted")

    def _replace(self, state: SourceState, turns: Iterable[Turn]) -> None:
        change = self.memory.store.replace_source(
            state, turns, scope=self.scope, progress=self._further()
        )
        self.added += change.added
        self.kept += change.kept
        self.removed += change.removed
        if change.error is not None:
            raise change.error

    def _further(self) -> Progress:
        """Return a callback that counts from the number stored before."""
        before = self.added + self.kept

        def take_note(done: int, _: int | None) -> None:
            self.tell(before + done)

        return take_note

    def _restore(self, file: FoundFile, state: SourceState) -> None:
        """Restore the records of one of our own exports, with their scopes and sources."""
        done = restore_records(
            restoring(self.memory.store, self.memory.redactor),
            file.path,
            progress=self._further(),
        )
        self.added += done.new
        self.kept += done.records - done.new
        if done.damage:
            raise ImportFileError(done.describe(file.path), path=str(file.path))
        self._replace(state, ())  # marks the file as done


class _UntilDamage:
    """The turns of a file up to the first damage, if any.

    Attributes:
        error: The damage, set after the turns before it were yielded.
    """

    def __init__(self, turns: Iterable[Turn]) -> None:
        self.error: ImportFileError | None = None
        self._turns = turns

    def __iter__(self) -> Iterator[Turn]:
        try:
            yield from self._turns
        except ImportFileError as error:
            self.error = error

    def with_damage(self, turns: Iterable[Turn]) -> Iterator[Turn]:
        """Yield some of the turns, then raise the damage if it follows them."""
        yield from turns
        if self.error is not None:
            raise self.error


def _turns(file: FoundFile, left_out: LeftOut) -> Iterator[Turn]:
    """Yield a file's turns for an estimate, including records of a database."""
    if not is_database(file.path):
        yield from read(file, left_out)
        return
    with dumped_records(file.path) as records:
        yield from (Turn(one.record.text) for one in records if isinstance(one, Dumped))


def _file_state(file: FoundFile, digest: str) -> SourceState:
    stat = file.path.stat()
    modified_ns = min(max(stat.st_mtime_ns, -_MAX_INTEGER), _MAX_INTEGER)
    return SourceState(file_uri(file.path), digest, stat.st_size, modified_ns)


def _last_said(turns: Iterable[Turn]) -> datetime | None:
    return max((turn.created_at for turn in turns if turn.created_at), default=None)


def _nanoseconds(when: datetime | None) -> int:
    """Return a time in the form that the store compares; 0 if unknown."""
    return 0 if when is None else min(max(to_us(when) * 1000, -_MAX_INTEGER), _MAX_INTEGER)


def _source_uri(turn: Turn) -> str:
    return turn.source.uri if turn.source else ""


def _digest(turns: Iterable[Turn]) -> str:
    """Hash the turns of one source, so that next month's export shows what is new."""
    digest = hashlib.sha256()
    for turn in turns:
        when = turn.created_at and turn.created_at.isoformat()
        parts = [turn.role, turn.session, when, dict(turn.metadata), turn.text]
        digest.update(json.dumps(parts, sort_keys=True).encode())
    return digest.hexdigest()
