"""The files of a sync folder: FOLDER/<device>/<first>-<last>.<revision>.lmsync.

Replicating tools leave their own files, half-written files and conflict copies; anybody can put
anything there. Nothing here trusts a name: `Sealer.open` compares it with the authenticated header.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lmort_memory.errors import StoreError
from lmort_memory.paths import flush_names, make_private_dir, replacing
from lmort_memory.store.replica.state import OwnBundle
from lmort_memory.sync.sealing import Head, UnreadableError, read_head

__all__ = ["BundleFile", "Folder", "name_of", "write_file"]

SUFFIX = ".lmsync"
MOST_BYTES = 1 << 30
_DEVICE = re.compile(r"[0-9a-f]{16}")
_NAME = re.compile(r"(\d{8,12})-(\d{8,12})\.(\d{1,6})\.lmsync")
_TOOLS = re.compile(r"\..*|~.*|desktop\.ini|Thumbs\.db|.*\.(tmp|part|partial|crdownload)", re.I)


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file with a bundle's name and a whole header that agrees with it."""

    path: Path
    head: Head


@dataclass(slots=True)
class Folder:
    """What is in a sync folder now.

    Attributes:
        path: The folder.
        bundles: The files of each device, by its id.
        unread: Files of each device that cannot be read now, with the reason.
        skipped: Lines about everything else that is neither a bundle nor a tool's own file.
    """

    path: Path
    bundles: dict[str, list[BundleFile]] = field(default_factory=dict)
    unread: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @classmethod
    def scan(cls, path: Path) -> Folder:
        """List a folder.

        Raises:
            StoreError: it does not exist, or cannot be read.
        """
        if not path.is_dir():
            raise StoreError(
                f"cannot sync: there is no folder {path} — create it, or connect its disk"
            )
        found = cls(path)
        try:
            for entry in _entries(path):
                if entry.is_dir(follow_symlinks=False) and _DEVICE.fullmatch(entry.name):
                    found._scan_device(entry.name)
                elif not _TOOLS.fullmatch(entry.name):
                    found.skipped.append(f"{entry.name} is not a device's folder")
        except OSError as error:
            raise StoreError(
                f"cannot sync: {path} cannot be read: {error.strerror} — check its permissions"
            ) from error
        return found

    def _scan_device(self, device: str) -> None:
        bundles = self.bundles.setdefault(device, [])
        unread = self.unread.setdefault(device, {})
        for entry in _entries(self.path / device):
            shown = f"{device}/{entry.name}"
            if _TOOLS.fullmatch(entry.name):
                continue
            named = _NAME.fullmatch(entry.name)
            if named is None:
                self.skipped.append(f"{shown} is not named as a bundle is; perhaps a conflict copy")
                continue
            info = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(info.st_mode) or info.st_size > MOST_BYTES:
                self.skipped.append(f"{shown} is a link, not a file, or too large for a bundle")
                continue
            try:
                head = read_head(Path(entry.path))
            except UnreadableError as error:
                unread[entry.name] = str(error)
                continue
            if (head.device, head.first, head.last, head.revision) != (
                device,
                *map(int, named.groups()),
            ):
                unread[entry.name] = "is a different bundle than its name says"
                continue
            bundles.append(BundleFile(Path(entry.path), head))

    def others(self, device: str | None) -> list[str]:
        """Return the devices that have a folder here, but for one."""
        return sorted(one for one in self.bundles if one != device)

    def next_of(self, device: str, seq: int, failed: Iterable[str] = ()) -> BundleFile | None:
        """Return the file to read after number `seq` of a device: of several, the widest, newest.

        Args:
            device: Whose.
            seq: The last number that was read.
            failed: Names of files that could not be read.
        """
        fitting = [
            one
            for one in self.bundles.get(device, ())
            if one.head.first <= seq + 1 <= one.head.last and one.path.name not in failed
        ]
        return max(fitting, key=lambda one: (one.head.last, one.head.revision), default=None)

    def later(self, device: str, seq: int) -> int:
        """Return how many files of a device wait for one that is missing after `seq`."""
        return sum(one.head.first > seq + 1 for one in self.bundles.get(device, ()))


def name_of(bundle: OwnBundle) -> str:
    """Return the name of a bundle's file."""
    return f"{bundle.first:08d}-{bundle.last:08d}.{bundle.revision}{SUFFIX}"


def write_file(path: Path, data: bytes) -> None:
    """Write a file, mode 0600, so that its name stands for all of it or is not there.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        make_private_dir(path.parent)
        with replacing(path) as part:
            part.write_bytes(data)
        flush_names(path.parent)
    except OSError as error:
        raise StoreError(
            f"cannot write to {path.parent}: {error.strerror} — check that it is writable and has"
            " free space; nothing is lost, sync again"
        ) from error


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from sorted(entries, key=lambda entry: entry.name)
