"""What an import would do and take, without storing anything."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lmort_memory.importers import FoundFile, LeftOut, PassedOver, ScanReport, file_uri, read
from lmort_memory.importing.run import Run
from lmort_memory.memory.databases import dumped_records, is_database
from lmort_memory.memory.reservoir import Reservoir
from lmort_memory.store.values import Dumped
from lmort_memory.types import DEFAULT_SCOPE, Progress, Turn

if TYPE_CHECKING:
    from lmort_memory.memory import Memory

__all__ = ["ImportEstimate", "estimate"]

_SAMPLE = 48  # turns to encode to measure the speed: some seconds on a slow machine
_DISK_PER_BYTE = 4  # database bytes per byte of text: 672 KB for 143 KB of notes, words indexed
_VECTOR_BYTES = 2 * 1.2  # float16, plus the overhead of a row and its index entries


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
    run = Run(memory, scope)
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


def _turns(file: FoundFile, left_out: LeftOut) -> Iterator[Turn]:
    """Yield a file's turns for an estimate, including records of a database."""
    if not is_database(file.path):
        yield from read(file, left_out)
        return
    with dumped_records(file.path) as records:
        yield from (Turn(one.record.text) for one in records if isinstance(one, Dumped))
