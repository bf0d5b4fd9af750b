"""Import files into a memory, incrementally: a second run reads only what has changed.

A source (a note, or one conversation of an export) is stored as a unit, with a hash of its content,
and is on disk once stored; small files are stored together, since each transaction waits for the
disk. An interrupted run loses nothing, and the next one resumes where it stopped. Text can be found
by words as soon as it is stored; vectors follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from typing import TYPE_CHECKING

from lmort_memory.batches import batched
from lmort_memory.errors import ImportFileError, MissingDependencyError
from lmort_memory.importers import (
    FoundFile,
    LeftOut,
    PassedOver,
    ScanReport,
    fingerprint,
    read,
)
from lmort_memory.importing.copies import Copies, Copy
from lmort_memory.importing.damage import UntilDamage
from lmort_memory.importing.small_files import SmallFiles
from lmort_memory.importing.states import file_state, part_state, source_uri
from lmort_memory.memory.transfer import restore_records, restoring
from lmort_memory.store.values import SourceChange, SourceState
from lmort_memory.text import counted
from lmort_memory.types import DEFAULT_SCOPE, Progress, Turn

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

__all__ = ["ImportReport", "Run", "import_files"]

_BATCH = 500  # messages in one transaction
_FAIR_SHARE = 20  # after this share of the bytes, extrapolate to the rest
_REPLACED = "character that is not Unicode, replaced by U+FFFD"
_OLDER = "conversation or note that is stored from a later export"


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
    run = Run(memory, scope, progress)
    before = run.redacted
    for file in run.every_file(scan):
        with run.reported(file):
            run.store_file(file)
    run.store_small_files()
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
class Run:
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
    small: SmallFiles = field(default_factory=SmallFiles)

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
        state = file_state(file, digest)
        if self.is_stored(state.uri, digest):
            self.unchanged += 1
            return
        if self.small.fits(file):
            self._store_with_others(file, state)
            return
        self.store_small_files()  # records are in the order of the files
        if file.format.restores:
            self._restore(file, state)
        elif file.format.appends:
            self._append(file, state)
        else:
            self._store(state, self._read(file))
        self.files += 1

    def store_small_files(self) -> None:
        """Store the small files that were read so far, in one transaction."""
        stored = self.small.take(self.memory.store, scope=self.scope)
        for file, state, turns, change in stored:
            with self.reported(file):
                if change is None:  # one by one, to see which of them the database rejects
                    self._replace(state, turns)
                else:
                    self._count(change)
                self.files += 1
        if stored:
            self.tell(self.added + self.kept)

    def _store_with_others(self, file: FoundFile, state: SourceState) -> None:
        """Keep a small file until there are enough of them, if it is one source and undamaged."""
        turns = UntilDamage(self._read(file))
        rest = iter(turns)
        found: list[Turn] = []
        for turn in rest:
            found.append(turn)
            if source_uri(turn) != state.uri:
                break  # reading on would overwrite the date of this copy (see `Copies`)
        if turns.error is None and all(source_uri(turn) == state.uri for turn in found):
            self.small.add(file, state, found)
            if self.small.are_enough:
                self.store_small_files()
        else:
            self.store_small_files()
            self._store(state, turns.with_damage(chain(found, rest)))
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

    def _store(self, state: SourceState, found_turns: Iterable[Turn]) -> None:
        turns = UntilDamage(found_turns)
        written = False
        for copy, found in groupby(turns, key=Copies(self.left_out.dates).of):
            if copy.uri == state.uri:
                self._replace(state, turns.with_damage(found))
                written = True
            else:
                self._store_part(copy, list(found), turns)
        if turns.error is not None:
            raise turns.error
        if not written:
            self._replace(state, ())

    def _append(self, file: FoundFile, state: SourceState) -> None:
        """Store the missing messages, and remove none."""
        turns = UntilDamage(self._read(file))
        scoped = (replace(turn, scope=self.scope) for turn in turns)
        for batch in batched(scoped, _BATCH):
            new = sum(one.new for one in self.memory.store.add(batch))
            self.added += new
            self.kept += len(batch) - new
            self.tell(self.added + self.kept)
        if turns.error is not None:
            raise turns.error
        self._replace(state, ())  # marks the file as done

    def _store_part(self, copy: Copy, found: list[Turn], turns: UntilDamage) -> None:
        """Store one of a file's sources: a conversation of an export.

        Skips it if a later state is already stored, even from a file of another name.
        """
        state = part_state(copy.uri, found, copy.changed)
        stored = self.memory.store.source_state(copy.uri, scope=self.scope)
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
        self._count(change)

    def _count(self, change: SourceChange) -> None:
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
