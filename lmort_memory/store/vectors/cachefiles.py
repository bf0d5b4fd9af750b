"""Cache files: written completely, then recorded in SQLite with a checksum and a watermark.

A cache is written under a new name, flushed, and only then recorded in the table `caches`; the file
it replaces is deleted last. So a recorded file is complete, and the checksum reveals later damage
before the file is used. All of this happens under one lock between processes.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from lmort_memory.paths import beside, make_private_dir
from lmort_memory.store.connection import Database
from lmort_memory.store.locks import try_lock

__all__ = ["Cache", "CacheFiles"]

CACHES = "SELECT s, kind, file, sha256, watermark, items, deleted, settings FROM caches"

FILE_NAME = re.compile(r"\d+-[0-9a-f]{16}\.(graph|matrix)")


@dataclass(frozen=True, slots=True)
class Cache:
    """The row of a cache in SQLite.

    Attributes:
        s: Number of the space.
        kind: "graph" or "matrix".
        file: File name in the cache folder.
        sha256: SHA-256 of the file, in hex.
        watermark: Number of the last vector that was considered.
        items: Number of vectors in the file.
        deleted: Number of vectors deleted from the space before the file was written.
        settings: Parameters it was built with; a cache with other settings is ignored.
    """

    s: int
    kind: str
    file: str
    sha256: str
    watermark: int
    items: int
    deleted: int
    settings: str


class CacheFiles:
    """The folder of caches beside a database; an encrypted one has none, since vectors tell."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.kept = database.key is None
        self.folder = beside(database.path, ".index")

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Yield whether this process may write caches inside the block."""
        if not self.kept:
            yield False
            return
        make_private_dir(self.folder)
        with try_lock(self.folder / "lock") as ours:
            yield ours

    def find(self, connection: sqlite3.Connection, s: int, kind: str) -> Cache | None:
        """Return the row of a cache; None without one, or if it holds what no row of ours does."""
        if not self.kept:
            return None
        row = connection.execute(f"{CACHES} WHERE s = ? AND kind = ?", (s, kind)).fetchone()
        return Cache(*row) if row is not None and _sound(row) else None

    def intact(self, cache: Cache) -> Path | None:
        """Return the path of a cache's file if it is there and undamaged."""
        path = self.folder / Path(cache.file).name
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
        return path if digest == cache.sha256 else None

    def publish(self, cache: Cache, write: Callable[[Path], None]) -> Cache | None:
        """Write a cache and record it in SQLite; call inside `writing`.

        Args:
            cache: Its row; `file` and `sha256` are filled in here.
            write: Writes the file at a path.

        Returns:
            The row, or None if vectors were deleted meanwhile: the file might contain them and was
            deleted again.
        """
        name = f"{cache.s}-{secrets.token_hex(8)}.{cache.kind}"
        path = self.folder / name
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        try:
            write(path)
            with path.open("rb+") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            published = replace(cache, file=name, sha256=digest)
            named = self._name(published)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._remove_unnamed()
        return published if named else None

    def drop(self, s: int, kind: str) -> None:
        """Remove a cache and its file."""
        with self._database.write("clean") as connection:
            cache = self.find(connection, s, kind)
            connection.execute("DELETE FROM caches WHERE s = ? AND kind = ?", (s, kind))
        if cache is not None:
            (self.folder / Path(cache.file).name).unlink(missing_ok=True)

    def delete_orphans(self) -> None:
        """Delete files left by a killed process, unless another process is writing."""
        if self.folder.is_dir():
            with self.writing() as ours:
                if ours:
                    self._remove_unnamed()

    def size_bytes(self) -> int:
        """Return the disk space of the caches in bytes."""
        if not self.folder.is_dir():
            return 0
        return sum(file.stat().st_size for file in self.folder.iterdir() if file.is_file())

    def _name(self, cache: Cache) -> bool:
        with self._database.write("index") as connection:
            done = connection.execute(
                "INSERT OR REPLACE INTO caches SELECT ?, ?, ?, ?, ?, ?, ?, ?"
                " WHERE EXISTS (SELECT 1 FROM spaces WHERE s = ? AND deleted = ?)",
                (*astuple(cache), cache.s, cache.deleted),
            )
            return done.rowcount == 1

    def _remove_unnamed(self) -> None:
        with self._database.read() as connection:
            named = {file for (file,) in connection.execute("SELECT file FROM caches")}
        for file in self.folder.iterdir():
            if file.suffix in (".graph", ".matrix") and file.name not in named:
                file.unlink(missing_ok=True)


def _sound(row: tuple[object, ...]) -> bool:
    """Whether a row has the types of `Cache`, and a plain file name: SQLite ensures neither."""
    _, _, file, sha256, *numbers, settings = row
    return (
        all(isinstance(text, str) for text in (file, sha256, settings))
        and all(isinstance(number, int) and number >= 0 for number in numbers)
        and FILE_NAME.fullmatch(str(file)) is not None
    )
